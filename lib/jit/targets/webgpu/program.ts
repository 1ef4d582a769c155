/** A traced function, run as kernels on a GPU. */
import { bufferOf, hostNumbers, isOnHost, type Memory, newBuffer, tensorOver } from "../../buffers.ts";
import type { GraphData } from "../../element-types.ts";
import { sizeOf, type Value } from "../../graph.ts";
import { written as writtenIn } from "../../lower.ts";
import { makeArena } from "../../plan/arena.ts";
import { formFor } from "../../plan/forms.ts";
import type { Plan } from "../../plan/plan.ts";
import { planFunction } from "../../plan/traced.ts";
import type { CompileOptions, Place, Program, Target, Traced, Use } from "../../program.ts";
import type { Leaf } from "../../structure.ts";
import { bytesFor, type Device, deviceArray, type GPUBuffer, openDevice, packed, USAGE } from "./device.ts";
import { KERNELS } from "./dialect.ts";
import { WGSL } from "./wgsl.ts";

/** A part of a buffer, as a kernel binds it. */
interface Part {
  buffer: GPUBuffer;
  offset?: number;
  size?: number;
}

/** A kernel, ready to be run. */
interface Step {
  pipeline: object;
  layout: object;
  groups: readonly [number, number, number];
  values: readonly Value[];
  sizes?: Part;
  usesScalars: boolean;
  /** What it was bound to last. */
  bound?: { parts: readonly Part[]; group: object };
}

/** Calls whose work may be waiting on the device. */
const IN_FLIGHT = 3;

const newBufferOf = (device: Device, value: Value): GPUBuffer =>
  device.allocate(bytesFor(sizeOf(value.shape)));

/** Compiles the kernels of a plan. Equal texts are one, in whatever program. */
async function stepsOf(device: Device, { kernels }: Plan): Promise<Step[]> {
  const { gpu, pipelines, alignment } = device;
  const texts = kernels.map((kernel) => kernel.text());
  let bytes = 0;
  const offsets = kernels.map(({ sizes }) => {
    const at = bytes;
    bytes += Math.ceil((sizes.length * 4) / alignment.uniform) * alignment.uniform;
    return at;
  });
  const uniforms = gpu.createBuffer({ size: Math.max(16, bytes), usage: USAGE.uniform | USAGE.copyTarget });
  const made = kernels.map(async (kernel, i): Promise<Step> => {
    const { buffers, sizes, usesScalars, groups, label } = kernel;
    const layout = device.layout(buffers.length + Number(usesScalars), sizes.length > 0);
    let pipeline = pipelines.get(texts[i]);
    if (!pipeline) {
      pipeline = gpu.createComputePipelineAsync({
        layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: gpu.createShaderModule({ code: texts[i] }), entryPoint: "main" },
      });
      pipelines.set(texts[i], pipeline);
    }
    if (sizes.length > 0) gpu.queue.writeBuffer(uniforms, offsets[i], Uint32Array.from(sizes));
    try {
      return {
        pipeline: await pipeline,
        layout,
        groups,
        values: buffers,
        usesScalars,
        ...(sizes.length > 0 && {
          // A struct's size is rounded to that of four numbers.
          sizes: { buffer: uniforms, offset: offsets[i], size: Math.ceil(sizes.length / 4) * 16 },
        }),
      };
    } catch (error) {
      throw new Error(
        `jit: the kernel ${label} could not be compiled: ${(error as Error).message}\n${texts[i]}`,
      );
    }
  });
  return Promise.all(made);
}

const isSame = (a: readonly Part[], b: readonly Part[]): boolean =>
  a.length === b.length &&
  a.every(({ buffer, offset }, i) => buffer === b[i].buffer && offset === b[i].offset);

/** Binds a kernel to memory; again only where it is other memory than the last time. */
function bind({ gpu }: Device, step: Step, parts: readonly Part[]): object {
  if (step.bound && isSame(step.bound.parts, parts)) return step.bound.group;
  const first = step.sizes ? 0 : 1;
  const group = gpu.createBindGroup({
    layout: step.layout,
    entries: parts.map((resource, i) => ({ binding: i + first, resource })),
  });
  step.bound = { parts, group };
  return group;
}

async function compile(
  trace: () => Promise<Traced>,
  leaves: readonly Leaf[],
  donated: readonly boolean[],
  _options: CompileOptions,
): Promise<Program> {
  const start = performance.now();
  const traced = writtenIn(await trace(), KERNELS);
  const traceSeconds = (performance.now() - start) / 1000;
  const device = await openDevice();
  const { live } = traced;
  const { plan, places } = planFunction(traced, leaves, donated, {
    style: { language: WGSL, formOf: (size) => formFor(size, device.products) },
    maxBuffers: device.maxBuffers,
    storage: device.storage,
  });
  const planned = performance.now();
  const run = await runner(device, traced, plan, places, leaves);
  const stats = {
    nodes: live.nodes.length,
    traceSeconds,
    compileSeconds: (performance.now() - start) / 1000 - traceSeconds,
    encodeSeconds: (planned - start) / 1000 - traceSeconds,
    cached: false,
    calls: 0,
    inPlace: plan.over.size,
    overwritten: 0,
  };
  return {
    stats,
    reads: run.reads,
    async run(numbers, use) {
      const tensors = await run.call(numbers, use);
      stats.calls++;
      stats.overwritten += plan.over.size;
      return traced.rebuild(tensors);
    },
    endProfile: () => undefined,
    release: run.release,
  };
}

/** What a plan needs on a device, and how it is run. */
async function runner(
  device: Device,
  { live }: Traced,
  plan: Plan,
  places: readonly Place[],
  leaves: readonly Leaf[],
) {
  const { gpu } = device;
  const results = new Set(places.map(({ value }) => value));
  const arena = makeArena(plan, results, {
    alignment: device.alignment.storage,
    maxBlock: device.maxBinding,
  });
  const blocks = arena.blocks.map((bytes) => device.allocate(bytes));
  const scalars = device.allocate(bytesFor(plan.scalars.size));
  const fixed = new Map<Value, Part>();
  for (const [value, { block, offset, bytes }] of arena.places)
    fixed.set(value, { buffer: blocks[block], offset, size: bytes });
  const constants = live.constants.filter((value) =>
    plan.kernels.some(({ buffers }) => buffers.includes(value)),
  );
  for (const value of constants) {
    const buffer = newBufferOf(device, value);
    gpu.queue.writeBuffer(buffer, 0, packed(value.data!));
    fixed.set(value, { buffer });
  }
  const steps = await stepsOf(device, plan);
  const positions = new Map(leaves.map(({ name }, i) => [name, i]));
  const feeds = live.inputs.map((value) => ({ value, leaf: positions.get(value.name)! }));
  const returned = places.flatMap(({ leaf, computed }) => (computed || leaf === undefined ? [] : [leaf]));
  /** Results that lie where a donated argument lay. */
  const overLeaf = new Map(
    [...plan.over].map(([result, argument]) => [result, positions.get(argument.name)!]),
  );
  let flying: Promise<void>[] = [];
  let isProved = false;

  const call = async (numbers: ReadonlyMap<number, Memory>, { owned, written }: Use) => {
    if (flying.length >= IN_FLIGHT) await flying.shift();
    if (!isProved) gpu.pushErrorScope("validation");
    const encoder = gpu.createCommandEncoder();
    const temporary: GPUBuffer[] = [];
    const at = new Map<Value, Part>(fixed);
    const taken = new Set<GPUBuffer>();
    const kept = new Set([...overLeaf.values(), ...returned]);
    const uploaded = (data: GraphData, value: Value): GPUBuffer => {
      const buffer = newBufferOf(device, value);
      gpu.queue.writeBuffer(buffer, 0, packed(data));
      return buffer;
    };
    for (const { value, leaf } of feeds) {
      const memory = numbers.get(leaf)!;
      const place = plan.scalars.get(value);
      if (place !== undefined) {
        if (isOnHost(memory)) gpu.queue.writeBuffer(scalars, place * 4, packed(memory), 0, 1);
        else encoder.copyBufferToBuffer(memory.handle as GPUBuffer, 0, scalars, place * 4, 4);
        continue;
      }
      let buffer: GPUBuffer;
      if (isOnHost(memory)) buffer = uploaded(memory, value);
      else {
        buffer = memory.handle as GPUBuffer;
        const isOwn = owned.get(leaf)?.data === memory;
        // Nobody else's numbers are written over, and no memory is bound twice.
        if (taken.has(buffer) || ([...overLeaf.values()].includes(leaf) && !isOwn)) {
          const copy = newBufferOf(device, value);
          encoder.copyBufferToBuffer(buffer, 0, copy, 0, copy.size);
          if (!kept.has(leaf)) temporary.push(copy);
          buffer = copy;
        } else if ([...overLeaf.values()].includes(leaf)) written.add(memory);
      }
      if (isOnHost(memory) && !kept.has(leaf)) temporary.push(buffer);
      taken.add(buffer);
      at.set(value, { buffer });
    }
    for (const { value } of places)
      if (value.node && !plan.scalars.has(value) && !plan.over.has(value) && !at.has(value))
        at.set(value, { buffer: newBufferOf(device, value) });
    const pass = encoder.beginComputePass();
    for (const step of steps) {
      const parts = [
        ...(step.sizes ? [step.sizes] : []),
        ...step.values.map((value) => at.get(value)!),
        ...(step.usesScalars ? [{ buffer: scalars }] : []),
      ];
      pass.setPipeline(step.pipeline);
      pass.setBindGroup(0, bind(device, step, parts));
      pass.dispatchWorkgroups(...step.groups);
    }
    pass.end();
    const seen = new Set<GPUBuffer>();
    const tensors = places.map(({ value, leaf, computed }) => {
      const count = sizeOf(value.shape);
      if (!computed) {
        const memory = numbers.get(leaf!)!;
        return tensorOver(
          owned.get(leaf!) ?? newBuffer(isOnHost(memory) ? memory : memory, isOnHost(memory)),
          value,
        );
      }
      const place = plan.scalars.get(value);
      let buffer: GPUBuffer;
      if (place !== undefined) {
        buffer = device.allocate(4);
        encoder.copyBufferToBuffer(scalars, place * 4, buffer, 0, 4);
      } else {
        buffer = at.get(plan.over.get(value) ?? value)!.buffer;
        // An argument that comes back, or a result that is asked for twice, is a copy.
        if (!value.node || seen.has(buffer)) {
          const copy = newBufferOf(device, value);
          encoder.copyBufferToBuffer(buffer, 0, copy, 0, copy.size);
          buffer = copy;
        }
      }
      seen.add(buffer);
      return tensorOver(newBuffer(deviceArray(device, buffer, count, value.dtype)), value);
    });
    gpu.queue.submit([encoder.finish()]);
    for (const buffer of temporary) buffer.destroy();
    for (const memory of numbers.values()) if (!isOnHost(memory)) memory.release();
    if (!isProved) {
      isProved = true;
      const error = await gpu.popErrorScope();
      if (error) throw new Error(`jit: the GPU refused a program: ${error.message}`);
    }
    flying.push(gpu.queue.onSubmittedWorkDone());
    flying = flying.slice(-IN_FLIGHT);
    return tensors;
  };

  return {
    reads: [...new Set([...feeds.map(({ leaf }) => leaf), ...returned])],
    call,
    release(): void {
      for (const buffer of [...blocks, scalars, ...constants.map((value) => fixed.get(value)!.buffer)])
        buffer.destroy();
    },
  };
}

/** Any GPU with a driver for Vulkan, Metal or D3D12. */
export const webgpu: Target = {
  name: "webgpu",
  dialect: KERNELS,
  async numbersOf({ tensor }: Leaf): Promise<Memory> {
    const data = bufferOf(tensor)?.data;
    if (!data || isOnHost(data)) return hostNumbers(tensor);
    // Held until the call is over: the caller may dispose its tensors while it is under way.
    data.retain();
    if (data.device === (await openDevice())) return data;
    const numbers = await data.read();
    data.release();
    return numbers;
  },
  compile,
};
