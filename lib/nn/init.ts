/** Initializers, drawn on the host from a seeded generator. */
import type { RandomGenerator } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

/** Xavier (Glorot) uniform for weights [out, ...in]: bound sqrt(6 / (fanIn + fanOut)). */
export function xavierUniform(random: RandomGenerator, shape: number[]): Tensor {
  const [fanOut, ...rest] = shape;
  const fanIn = tf.util.sizeFromShape(rest);
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  const values = random.uniforms(fanIn * fanOut).map((u) => (2 * u - 1) * bound);
  return tf.tensor(values, shape, "float32");
}

/** Normal with mean 0 and the given standard deviation. */
export const normalInit = (random: RandomGenerator, shape: number[], deviation: number): Tensor =>
  tf.tensor(
    random.normals(tf.util.sizeFromShape(shape)).map((x) => x * deviation),
    shape,
    "float32",
  );

/** Linear layers that follow each other, by name: `sizes` has what goes into each, and what comes out of the last. */
export const linearShapes = (layers: readonly string[], sizes: readonly number[]): Record<string, number[]> =>
  Object.fromEntries(
    layers.flatMap((layer, i): [string, number[]][] => [
      [`${layer}.weight`, [sizes[i + 1], sizes[i]]],
      [`${layer}.bias`, [sizes[i + 1]]],
    ]),
  );

/** Linear layers by name, as SiT initializes them: Xavier uniform weights [out, in], biases of 0. */
export const linearInit = (
  shapes: Readonly<Record<string, number[]>>,
  random: RandomGenerator,
): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      shape.length === 1 ? tf.zeros(shape) : xavierUniform(random, shape),
    ]),
  );

/**
 * What PyTorch's linear and convolutional layers begin with: uniform within 1 / sqrt(fanIn), weights and biases alike.
 * A bias's fan-in is that of its layer's weights, which its own shape does not say.
 */
export function torchInit(random: RandomGenerator, shape: number[], fanIn: number): Tensor {
  const bound = 1 / Math.sqrt(fanIn);
  const values = random.uniforms(tf.util.sizeFromShape(shape)).map((u) => (2 * u - 1) * bound);
  return tf.tensor(values, shape, "float32");
}
