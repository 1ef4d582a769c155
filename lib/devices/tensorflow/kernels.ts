/**
 * Gradients of convolutions with a padding that is given in numbers, which the package's backend refuses: those of the
 * padded image without any padding.
 */
import { tf } from "../../tensor/tf.ts";

interface Info {
  dataId: object;
  shape: number[];
  dtype: string;
}
interface Call {
  inputs: Record<string, Info>;
  attrs: Record<string, unknown>;
  backend: { disposeData(dataId: object): boolean };
}
type KernelFunc = (call: Call) => Info;
type Padding = [before: number, after: number][];

const BACKEND = "tensorflow";
const kernelOf = (name: string): KernelFunc =>
  tf.getKernel(name, BACKEND).kernelFunc as unknown as KernelFunc;

/** Puts a kernel in place of one for paddings in numbers, and leaves others to that. */
function replace(kernelName: string, make: (original: KernelFunc, call: Call, pad: Padding) => Info): void {
  const original = kernelOf(kernelName);
  const kernelFunc = (call: Call): Info =>
    Array.isArray(call.attrs.pad) ? make(original, call, call.attrs.pad as Padding) : original(call);
  tf.unregisterKernel(kernelName, BACKEND);
  tf.registerKernel({
    kernelName,
    backendName: BACKEND,
    kernelFunc: kernelFunc as unknown as Parameters<typeof tf.registerKernel>[0]["kernelFunc"],
  });
}

/** Puts them in their places, once the package has registered its own. */
export function mendKernels(): void {
  replace("Conv2DBackpropInput", (original, { inputs, attrs, backend }, pad) => {
    const size = attrs.inputShape as number[];
    const inputShape = size.map((length, axis) => length + pad[axis][0] + pad[axis][1]);
    const x = original({ inputs, attrs: { ...attrs, pad: "valid", inputShape }, backend });
    const begin = pad.map(([before]) => before);
    const part = kernelOf("Slice")({ inputs: { x }, attrs: { begin, size }, backend });
    backend.disposeData(x.dataId);
    return part;
  });
  replace("Conv2DBackpropFilter", (original, { inputs, attrs, backend }, paddings) => {
    const padding = { paddings, constantValue: 0 };
    const x = kernelOf("PadV2")({ inputs: { x: inputs.x }, attrs: padding, backend });
    const filter = original({ inputs: { ...inputs, x }, attrs: { ...attrs, pad: "valid" }, backend });
    backend.disposeData(x.dataId);
    return filter;
  });
}
