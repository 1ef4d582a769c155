/**
 * A process that compares attention and its gradients in 16 bits on a GPU with the processor's, and prints JSON for each
 * size. What attention reads is computed before, and lies between kernels as it does in a network: queries, keys and values
 * side by side, or each by itself.
 */
import { jit, type Precision } from "../../../lib/jit/index.ts";
import { multiHeadAttention } from "../../../lib/nn/attention.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";
import { GPU_TARGET } from "./target.ts";

/** Batch, queries, keys, heads and their size, enough numbers of each array to be narrow. */
const SIZES = [
  [2, 256, 256, 1, 64],
  [1, 196, 196, 1, 72],
  [3, 65, 65, 2, 40],
  [1, 70, 70, 1, 128],
  [2, 130, 130, 1, 32],
  [1, 129, 257, 2, 48],
] as const;
const FORMATS: Precision[] = ["bfloat16", "float16"];

const random = randomGenerator(17);
for (const format of FORMATS)
  for (const [batch, queries, keys, heads, size] of SIZES) {
    const width = heads * size;
    const isJoined = queries === keys;
    const x = normalTensor(random, [batch, queries, isJoined ? 3 * width : width]);
    const y = normalTensor(random, [batch, keys, width]);
    const slope = normalTensor(random, [batch, queries, width]);
    const attended = (x: Tensor, y: Tensor): Tensor => {
      const rows = tf.mul(x, 1.25) as Tensor;
      const [q, k, v] = isJoined ? tf.split(rows, 3, 2) : [rows, tf.mul(y, 0.75), tf.mul(y, 1.5)];
      return multiHeadAttention(q as never, k as never, v as never, heads) as Tensor;
    };
    const both = (target: "cpu" | typeof GPU_TARGET) =>
      jit(
        (x: Tensor, y: Tensor, slope: Tensor) => {
          // The last argument takes no part where queries, keys and values come of the first.
          const given = isJoined ? [x] : [x, y];
          const gradients = tf.grads((...given) => tf.sum(tf.mul(attended(given[0], given[1] ?? y), slope)))(
            given,
          );
          return [tf.mul(attended(x, y), 1.5), ...gradients];
        },
        { target, name: "attention", precision: target === "cpu" ? "float32" : format },
      );
    const [expected, actual] = [await both("cpu")(x, y, slope), await both(GPU_TARGET)(x, y, slope)];
    const errors: Record<string, number> = {};
    for (const [i, name] of ["out", "dx", "dy"].slice(0, expected.length).entries()) {
      const [wanted, got] = [(await expected[i].data()) as Float32Array, await actual[i].data()];
      const scale = wanted.reduce((most, number) => Math.max(most, Math.abs(number)), 1e-6);
      const error = wanted.reduce((most, number, i) => Math.max(most, Math.abs(number - got[i])), 0) / scale;
      errors[name] = got.some(Number.isNaN) ? Number.NaN : error;
    }
    console.log(JSON.stringify({ name: `${format}: ${[batch, queries, keys, heads, size]}`, errors }));
  }
if (GPU_TARGET === "cuda") {
  const { openDevice } = await import("../../../lib/jit/targets/cuda/device.ts");
  const texts = [...(await openDevice()).kernels.keys()].filter((text) => text.includes("add_weighted("));
  console.log(JSON.stringify({ name: "kernels of its own", own: texts.length }));
}
process.exit(0);
