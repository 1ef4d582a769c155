/** Kernels of tfjs's WebGPU backend that compute something else than they should, and what stands in their place. */
import { type DataType, tf } from "../tensor/tf.ts";
import type { WebGPUBackend, WebGPUProgram } from "./tfjs-webgpu.ts";

interface Info {
  dataId: object;
  shape: number[];
  dtype: DataType;
}
interface Call {
  inputs: Record<string, Info>;
  attrs: Record<string, unknown>;
  backend: WebGPUBackend;
}
type KernelFunc = (call: Call) => Info;

const kernelOf = (name: string): KernelFunc =>
  tf.getKernel(name, "webgpu").kernelFunc as unknown as KernelFunc;

function replace(kernelName: string, make: (original: KernelFunc) => KernelFunc): void {
  const kernelFunc = make(kernelOf(kernelName)) as unknown as Parameters<
    typeof tf.registerKernel
  >[0]["kernelFunc"];
  tf.unregisterKernel(kernelName, "webgpu");
  tf.registerKernel({ kernelName, backendName: "webgpu", kernelFunc });
}

/**
 * Its cast from integers to float32 is another name for the same integers, which half of its kernels take for what they
 * are called. Here they are multiplied by 1.
 */
const cast =
  (original: KernelFunc): KernelFunc =>
  (call) => {
    const { inputs, attrs, backend } = call;
    const { x } = inputs;
    const isInteger = x.dtype === "int32" || x.dtype === "bool";
    if (!isInteger || attrs.dtype !== "float32" || tf.util.sizeFromShape(x.shape) === 0)
      return original(call);
    const one: Info = {
      dataId: backend.write(Float32Array.of(1), [], "float32"),
      shape: [],
      dtype: "float32",
    };
    const product = kernelOf("Multiply")({
      inputs: { a: { ...x, dtype: "float32" }, b: one },
      attrs: {},
      backend,
    });
    backend.disposeData(one.dataId);
    return product;
  };

/** Its padding of more than four axes is no valid program. Here axes are padded one by one. */
const pad =
  (original: KernelFunc): KernelFunc =>
  (call) => {
    const { inputs, attrs, backend } = call;
    const paddings = attrs.paddings as [number, number][];
    if (inputs.x.shape.length <= 4) return original(call);
    let last = inputs.x;
    paddings.forEach((padding, axis) => {
      if (padding[0] + padding[1] === 0) return;
      const { shape } = last;
      const [before, after] = [shape.slice(0, axis), shape.slice(axis + 1)];
      const flat = [tf.util.sizeFromShape(before), shape[axis], tf.util.sizeFromShape(after)];
      const padded = original({
        inputs: { x: { ...last, shape: flat } },
        attrs: { ...attrs, paddings: [[0, 0], padding, [0, 0]] },
        backend,
      });
      if (last !== inputs.x) backend.disposeData(last.dataId);
      last = { ...padded, shape: [...before, shape[axis] + padding[0] + padding[1], ...after] };
    });
    return last === inputs.x ? original(call) : last;
  };

/** Its transposition of integers of more than two axes is no valid program. Here they go as float32, exact to 2^24. */
const transpose =
  (original: KernelFunc): KernelFunc =>
  (call) => {
    const { inputs, attrs, backend } = call;
    const { x } = inputs;
    const isWhole = x.dtype === "int32" || x.dtype === "bool";
    if (!isWhole || x.shape.length <= 2 || tf.util.sizeFromShape(x.shape) === 0) return original(call);
    const castTo = (x: Info, dtype: DataType): Info =>
      kernelOf("Cast")({ inputs: { x }, attrs: { dtype }, backend });
    const floats = castTo(x, "float32");
    const moved = original({ inputs: { x: floats }, attrs, backend });
    const result = castTo(moved, x.dtype);
    for (const { dataId } of [floats, moved]) backend.disposeData(dataId);
    return result;
  };

/** The terms of an odd polynomial for the sine within a half turn, from x^9 down to x^3. */
const SINE = [2.6083159809786594e-6, -1.981069071916863e-4, 8.333078585565101e-3, -0.16666659712791443];
/** Pi in parts of few digits, whose products with whole numbers are exact. */
const PI = [3.140625, 9.675025939941406e-4, 1.509957990978e-7];

/**
 * The program of the sine (`shift` 0) or the cosine (0.5). What a number exceeds a whole count of half turns by goes
 * through the polynomial; an odd count turns the sign, and the cosine falls where the sine rises.
 */
const sineProgram = (shift: 0 | 0.5): string => `
fn mendedSine(x: f32) -> f32 {
  let turns = round(x * ${1 / Math.PI} - ${shift});
  let half = turns + ${shift};
  let rest = ${PI.reduce((left, part) => `(${left} - half * ${part})`, "x")};
  let square = rest * rest;
  let value = rest + rest * square * (${SINE.reduce((sum, term) => (sum === "" ? `${term}` : `(${sum}) * square + ${term}`), "")});
  let isOdd = floor(turns * 0.5) * 2 != turns;
  return select(value, -value, isOdd == ${shift === 0});
}
fn main(index: i32) {
  if (index < uniforms.size) { setOutputAtIndex(index, mendedSine(getAByOutputIndex(index))); }
}`;

/**
 * Its sine and cosine are those of the GPU's language, which promises three digits, and none beyond a half turn. Here
 * they are right to seven, as in compiled functions.
 */
const sine =
  (shift: 0 | 0.5) =>
  (original: KernelFunc): KernelFunc =>
  (call) => {
    const { backend } = call;
    const mended: WebGPUBackend = Object.create(backend, {
      runWebGPUProgram: {
        value(program: WebGPUProgram, ...rest: unknown[]) {
          program.shaderKey = `ditlab_sine_${shift}`;
          program.getUserCode = () => sineProgram(shift);
          return backend.runWebGPUProgram(program, ...rest);
        },
      },
    });
    return original({ ...call, backend: mended });
  };

let isDone = false;

/** Puts them in their places, once tfjs has registered its own. */
export function mendKernels(): void {
  if (isDone) return;
  isDone = true;
  replace("Cast", cast);
  replace("PadV2", pad);
  replace("Transpose", transpose);
  replace("Sin", sine(0));
  replace("Cos", sine(0.5));
}
