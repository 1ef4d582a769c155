/** Kernels of tfjs's WebGPU backend that compute something else than they should, and what stands in their place. */
import { type DataType, tf } from "../tensor/tf.ts";
import type { WebGPUBackend } from "./tfjs-webgpu.ts";

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

let isDone = false;

/** Puts them in their places, once tfjs has registered its own. */
export function mendKernels(): void {
  if (isDone) return;
  isDone = true;
  replace("Cast", cast);
  replace("PadV2", pad);
  replace("Transpose", transpose);
}
