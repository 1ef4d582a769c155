/** Buffers of WebGPU: what is done to them in order, and how they are read. */
import { lossError, type Refusal, type Work } from "../planned/device.ts";
import type { WebGPUDevice } from "./device.ts";
import { type GPUBuffer, MAP_READ, USAGE } from "./gpu.ts";
import { type CompiledLaunches, encode, type Launch } from "./kernels.ts";
import { timedPasses } from "./timer.ts";

export function beginWork(device: WebGPUDevice): Work {
  const { gpu } = device;
  const encoder = gpu.createCommandEncoder();
  return {
    // The queue does it before what is submitted later: nothing that is recorded here comes before it.
    write: (to, offset, data) => gpu.queue.writeBuffer(to as GPUBuffer, offset, data),
    copy: (from, at, to, offset, bytes) =>
      encoder.copyBufferToBuffer(from as GPUBuffer, at, to as GPUBuffer, offset, bytes),
    run(launches, memoryOf, scalars, timer) {
      const { all } = launches as CompiledLaunches;
      const add = (pass: Parameters<typeof encode>[1], launch: Launch): void =>
        encode(device, pass, launch, memoryOf, scalars);
      if (timer) timer.add(timedPasses(device, encoder, all, add));
      else {
        const pass = encoder.beginComputePass();
        for (const launch of all) add(pass, launch);
        pass.end();
      }
    },
    submit: () => gpu.queue.submit([encoder.finish()]),
  };
}

/** Does something between error scopes. */
export async function attempt<T>(
  { gpu }: WebGPUDevice,
  refusals: readonly Refusal[],
  body: () => T,
): Promise<{ value: T; refused?: string }> {
  for (const filter of refusals) gpu.pushErrorScope(filter);
  let value: T;
  let errors: Promise<({ message: string } | null)[]> | undefined;
  try {
    value = body();
  } finally {
    errors = Promise.all(refusals.map(() => gpu.popErrorScope()));
  }
  const refused = (await errors).find((error) => error)?.message;
  return { value, ...(refused !== undefined && { refused }) };
}

/** Reads parts of buffers, once the work before is done. */
export async function readBuffers(
  device: WebGPUDevice,
  parts: Parameters<WebGPUDevice["read"]>[0],
): Promise<ArrayBuffer> {
  const { gpu } = device;
  if (device.loss !== undefined) throw lossError("the tensor", device);
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const staging = gpu.createBuffer({ size: total, usage: USAGE.mapRead | USAGE.copyTarget });
  const encoder = gpu.createCommandEncoder();
  let at = 0;
  for (const { buffer, offset, bytes } of parts) {
    encoder.copyBufferToBuffer(buffer as GPUBuffer, offset, staging, at, bytes);
    at += bytes;
  }
  gpu.queue.submit([encoder.finish()]);
  try {
    await staging.mapAsync(MAP_READ);
  } catch (error) {
    // The loss is told behind what failed by it.
    await Promise.race([gpu.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
    throw device.loss === undefined ? error : lossError("the tensor", device);
  }
  const copy = staging.getMappedRange().slice(0);
  staging.destroy();
  return copy;
}
