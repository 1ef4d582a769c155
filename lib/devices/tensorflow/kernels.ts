/** Kernels of the package that refuse what they should do, or compute something else, and what stands in their place. */
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

/** Puts a kernel in place of one for some calls, and leaves others to that. */
function replace(
  kernelName: string,
  concerns: (call: Call) => boolean,
  make: (original: KernelFunc, call: Call) => Info,
): void {
  const original = kernelOf(kernelName);
  const kernelFunc = (call: Call): Info => (concerns(call) ? make(original, call) : original(call));
  tf.unregisterKernel(kernelName, BACKEND);
  tf.registerKernel({
    kernelName,
    backendName: BACKEND,
    kernelFunc: kernelFunc as unknown as Parameters<typeof tf.registerKernel>[0]["kernelFunc"],
  });
}

const isPaddedByNumbers = ({ attrs }: Call): boolean => Array.isArray(attrs.pad);

/** Puts them in their places, once the package has registered its own. */
export function mendKernels(): void {
  // Its gradients of convolutions refuse paddings in numbers: those of the padded image without any padding are the same.
  replace("Conv2DBackpropInput", isPaddedByNumbers, (original, { inputs, attrs, backend }) => {
    const pad = attrs.pad as Padding;
    const size = attrs.inputShape as number[];
    const inputShape = size.map((length, axis) => length + pad[axis][0] + pad[axis][1]);
    const x = original({ inputs, attrs: { ...attrs, pad: "valid", inputShape }, backend });
    const begin = pad.map(([before]) => before);
    const part = kernelOf("Slice")({ inputs: { x }, attrs: { begin, size }, backend });
    backend.disposeData(x.dataId);
    return part;
  });
  replace("Conv2DBackpropFilter", isPaddedByNumbers, (original, { inputs, attrs, backend }) => {
    const padding = { paddings: attrs.pad, constantValue: 0 };
    const x = kernelOf("PadV2")({ inputs: { x: inputs.x }, attrs: padding, backend });
    const filter = original({ inputs: { ...inputs, x }, attrs: { ...attrs, pad: "valid" }, backend });
    backend.disposeData(x.dataId);
    return filter;
  });
  // It rounds integers to 0.
  replace(
    "Round",
    ({ inputs }) => inputs.x.dtype === "int32",
    (_, { inputs, attrs, backend }) => kernelOf("Identity")({ inputs, attrs, backend }),
  );
}
