/** A plan's kernels, compiled for a device and bound to memory. */
import type { Value } from "../../graph.ts";
import type { KernelBuilder } from "../../plan/builder.ts";
import type { Launches, Part } from "../planned/device.ts";
import type { WebGPUDevice } from "./device.ts";
import { type GPUComputePass, USAGE } from "./gpu.ts";

/** A kernel that is ready to be run. */
export interface Launch {
  readonly kernel: KernelBuilder;
  readonly pipeline: object;
  readonly layout: object;
  readonly values: readonly Value[];
  readonly sizes?: Part;
  /** What it was bound to last. */
  bound?: { parts: readonly Part[]; group: object };
}

export interface CompiledLaunches extends Launches {
  readonly all: readonly Launch[];
}

/** Compiles the kernels of a plan. Equal texts are one, in whatever program. */
export async function compileKernels(
  device: WebGPUDevice,
  kernels: readonly KernelBuilder[],
): Promise<CompiledLaunches> {
  const { gpu, kernels: pipelines } = device;
  const alignment = gpu.limits.minUniformBufferOffsetAlignment;
  let bytes = 0;
  const offsets = kernels.map(({ sizes }) => {
    const at = bytes;
    bytes += Math.ceil((sizes.length * 4) / alignment) * alignment;
    return at;
  });
  const uniforms = gpu.createBuffer({ size: Math.max(16, bytes), usage: USAGE.uniform | USAGE.copyTarget });
  const made = kernels.map(async (kernel, i): Promise<Launch> => {
    const { buffers: values, sizes, usesScalars, label } = kernel;
    const text = kernel.text();
    const layout = device.layout(values.length + Number(usesScalars), sizes.length > 0);
    const pipeline = pipelines.get(text) ?? compiled(device, layout, text);
    pipelines.set(text, pipeline);
    if (sizes.length > 0) gpu.queue.writeBuffer(uniforms, offsets[i], Uint32Array.from(sizes));
    // A struct's size is rounded to that of four numbers.
    const part = { buffer: uniforms, offset: offsets[i], size: Math.ceil(sizes.length / 4) * 16 };
    try {
      return { kernel, pipeline: await pipeline, layout, values, ...(sizes.length > 0 && { sizes: part }) };
    } catch (error) {
      pipelines.delete(text);
      throw new Error(`jit: the kernel ${label} could not be compiled: ${(error as Error).message}\n${text}`);
    }
  });
  const release = (): void => uniforms.destroy();
  try {
    return { all: await Promise.all(made), release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Compiles a text. @throws what the compiler says of it, which the device's listeners do not hear */
async function compiled({ gpu }: WebGPUDevice, layout: object, code: string): Promise<object> {
  gpu.pushErrorScope("validation");
  const module = gpu.createShaderModule({ code });
  const refused = gpu.popErrorScope();
  try {
    return await gpu.createComputePipelineAsync({
      layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main" },
    });
  } catch (error) {
    throw new Error((await refused)?.message ?? (error as Error).message);
  }
}

const isSame = (a: readonly Part[], b: readonly Part[]): boolean =>
  a.length === b.length &&
  a.every(({ buffer, offset }, i) => buffer === b[i].buffer && offset === b[i].offset);

/** Binds a kernel to memory; again only where it is other memory than the last time. */
function bind({ gpu }: WebGPUDevice, launch: Launch, parts: readonly Part[]): object {
  if (launch.bound && isSame(launch.bound.parts, parts)) return launch.bound.group;
  const first = launch.sizes ? 0 : 1;
  const group = gpu.createBindGroup({
    layout: launch.layout,
    entries: parts.map((resource, i) => ({ binding: i + first, resource })),
  });
  launch.bound = { parts, group };
  return group;
}

/** Adds a kernel to a pass, on the memory that its values have. */
export function encode(
  device: WebGPUDevice,
  pass: GPUComputePass,
  launch: Launch,
  memoryOf: (value: Value) => Part,
  scalars: Part,
): void {
  const { kernel, pipeline, sizes, values } = launch;
  const parts = [
    ...(sizes ? [sizes] : []),
    ...values.map(memoryOf),
    ...(kernel.usesScalars ? [scalars] : []),
  ];
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bind(device, launch, parts));
  pass.dispatchWorkgroups(...kernel.groups);
}
