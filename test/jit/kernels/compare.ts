/** Eager tfjs (backend `cpu`) against `jit`: values and gradients of one function on given operands. */
import * as assert from "uvu/assert";
import { jit, type TargetName } from "../../../lib/jit/index.ts";
import { kernels } from "../../../lib/jit/kernels/index.ts";
import { randomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";
import { type Operand, toTensor } from "./operands.ts";

export interface Case {
  inputs: Operand[];
  fn(...inputs: Tensor[]): Tensor | Tensor[];
  /** Which inputs to differentiate by. Default: every float32 one, for a float32 result. Empty: tfjs has no gradient. */
  wrt?: number[];
  /** Relative tolerance, 1e-5 by default; also absolute, in units of the largest expected value. */
  tolerance?: number;
  /** What the gradient should be where tfjs's own is wrong. */
  gradients?(inputs: Tensor[], cotangents: Tensor[]): Tensor[];
}

/** The kernels that were traced so far. */
export const traced = new Set<string>();
for (const name of Object.keys(kernels)) {
  const config = tf.getKernel(name, "ditlab-trace");
  const { kernelFunc } = config;
  config.kernelFunc = (parameters) => {
    traced.add(name);
    return kernelFunc(parameters);
  };
}

const list = (result: Tensor | Tensor[]): Tensor[] => (Array.isArray(result) ? result : [result]);

/** Vector-Jacobian products of `fn` by some of its inputs. */
function pullback({ fn }: Case, wrt: number[], inputs: Tensor[], cotangents: Tensor[]): Tensor[] {
  const scalar = (...chosen: Tensor[]): Tensor => {
    const outputs = list(fn(...inputs.map((input, i) => (wrt.includes(i) ? chosen[wrt.indexOf(i)] : input))));
    if (outputs.length === 1) return outputs[0];
    return tf.addN(outputs.map((output, i) => tf.sum(tf.mul(output, cotangents[i]))));
  };
  const chosen = wrt.map((i) => inputs[i]);
  return cotangents.length === 1 ? tf.grads(scalar)(chosen, cotangents[0]) : tf.grads(scalar)(chosen);
}

export function assertClose(
  actual: Tensor,
  expected: Tensor,
  tolerance: number,
  what: string,
  finiteOnly = false,
): void {
  assert.equal(actual.shape, expected.shape, `${what}: shape`);
  assert.is(actual.dtype, expected.dtype, `${what}: dtype`);
  const [a, b] = [actual.dataSync() as Float32Array, expected.dataSync() as Float32Array];
  assert.is(a.length, b.length, `${what}: number of elements`);
  const largest = b.reduce((max, x) => (Number.isFinite(x) ? Math.max(max, Math.abs(x)) : max), 0);
  for (let i = 0; i < b.length; i++) {
    if (finiteOnly && !Number.isFinite(b[i])) continue;
    const same = Object.is(a[i], b[i]) || a[i] === b[i];
    const allowed =
      actual.dtype === "float32" ? tolerance * (Math.abs(b[i]) + 0.1 * Math.min(largest, 1e6)) : 0;
    if (!same && !(Math.abs(a[i] - b[i]) <= allowed)) {
      throw new Error(`${what}: element ${i} of [${expected.shape}] is ${a[i]}, expected ${b[i]}`);
    }
  }
}

/** The case's function, without gradients, as a portable model. */
export function portableModel(test: Case): Uint8Array {
  const inputs = test.inputs.map(toTensor);
  const compiled = jit((ins: Tensor[]) => list(test.fn(...ins)), { name: "kernel test" });
  return compiled.lower([inputs], { portable: true }).onnx;
}

export interface CompareOptions {
  /** Default: onnxruntime. */
  target?: TargetName;
  /** What tolerances are multiplied by. */
  slack?: number;
  /** Leave out numbers that should not be finite, which a GPU's languages do not promise. Default: no. */
  finiteOnly?: boolean;
}

/** A result's numbers on the host. */
const onHost = async (tensor: Tensor): Promise<Tensor> =>
  tf.tensor((await tensor.data()).slice(), tensor.shape, tensor.dtype);

/** Throws where `jit` and eager tfjs differ. */
export async function compare(
  test: Case,
  { target, slack = 1, finiteOnly }: CompareOptions = {},
): Promise<void> {
  const inputs = test.inputs.map(toTensor);
  const values = tf.tidy(() => list(test.fn(...inputs)).map((output) => output.clone()));
  const random = randomGenerator(99);
  const cotangents = values.map(({ shape, size }) =>
    tf.tensor(
      Array.from({ length: size }, () => random.normal()),
      shape,
    ),
  );
  const floats = inputs.flatMap(({ dtype }, i) => (dtype === "float32" ? [i] : []));
  const wrt = test.wrt ?? (values.every(({ dtype }) => dtype === "float32") ? floats : []);
  const differentiate = (ins: Tensor[], dys: Tensor[]): Tensor[] =>
    wrt.length > 0 ? pullback(test, wrt, ins, dys) : [];
  const gradients = test.gradients?.(inputs, cotangents) ?? tf.tidy(() => differentiate(inputs, cotangents));

  const compiled = jit(
    (ins: Tensor[], dys: Tensor[]) => ({ values: list(test.fn(...ins)), gradients: differentiate(ins, dys) }),
    { threads: 1, name: "kernel test", target },
  );
  const results = await compiled(inputs, cotangents);
  const actual = {
    values: await Promise.all(results.values.map(onHost)),
    gradients: await Promise.all(results.gradients.map(onHost)),
  };
  const tolerance = slack * (test.tolerance ?? 1e-5);
  for (const [i, value] of values.entries())
    assertClose(actual.values[i], value, tolerance, `value ${i}`, finiteOnly);
  for (const [i, gradient] of gradients.entries())
    assertClose(actual.gradients[i], gradient, tolerance, `gradient of input ${wrt[i]}`, finiteOnly);
  await compiled.dispose();
  tf.dispose([inputs, values, cotangents, gradients, results, actual]);
}
