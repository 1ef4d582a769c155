/** What Dawn finds on this machine; and what a dispatch costs the host. */
import { median, report } from "../report.ts";
import { openGpu } from "./open.ts";

const PART = "adapter";

export async function adapter(): Promise<void> {
  const { adapter: found, info, configs } = await openGpu();
  const { vendor, architecture, description, device: id } = info;
  const limits: Record<string, number> = {};
  for (const name in found.limits) limits[name] = Number(found.limits[name as keyof GPUSupportedLimits]);
  report(PART, {
    vendor,
    architecture,
    description,
    device: id,
    features: [...found.features].sort(),
    limits,
  });
  report(PART, { subgroupMatrixConfigs: configs });
}

/** Many small dependent kernels in one pass, as a training step has them. */
export async function dispatches(device: GPUDevice, errors: string[], elements: number, count: number) {
  const code = `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
    @compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3<u32>) { x[id.x] += 1.0; }`;
  const start = performance.now();
  const pipeline = await device.createComputePipelineAsync({
    layout: "auto",
    compute: { module: device.createShaderModule({ code }), entryPoint: "main" },
  });
  const pipelineMs = performance.now() - start;
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
  const buffer = device.createBuffer({ size: elements * 4, usage });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  const encode: number[] = [];
  const submit: number[] = [];
  const total: number[] = [];
  const rounds = 7;
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < count; i++) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(elements / 256);
    }
    pass.end();
    const commands = encoder.finish();
    encode.push(performance.now() - begin);
    const given = performance.now();
    device.queue.submit([commands]);
    submit.push(performance.now() - given);
    await device.queue.onSubmittedWorkDone();
    total.push(performance.now() - begin);
  }
  const back = device.createBuffer({ size: 4, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, back, 0, 4);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  const right = new Float32Array(back.getMappedRange())[0] === rounds * count;
  const us = (values: number[]) => (median(values) * 1000) / count;
  return { right, pipelineMs, encodeUs: us(encode), submitUs: us(submit), totalUs: us(total), errors };
}
