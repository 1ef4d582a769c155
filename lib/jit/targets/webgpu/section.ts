/** A section of a program on a device: its plan, its memory, and how it is run. */
import { type DeviceArray, isOnHost, type Memory } from "../../buffers.ts";
import { sizeOf, type Value } from "../../graph.ts";
import { makeArena } from "../../plan/arena.ts";
import type { Plan } from "../../plan/plan.ts";
import type { Section } from "../../plan/sections.ts";
import { bytesFor, deviceArray, packed } from "./arrays.ts";
import type { Device } from "./device.ts";
import type { GPUBuffer, GPUComputePass } from "./gpu.ts";
import { compileKernels, encode, type Launch, type Part } from "./kernels.ts";
import type { Timer } from "./timer.ts";

export interface ReadySection {
  /**
   * Runs on the memory of the program's values. Results are written over inputs that `mayOverwrite` allows; to others
   * memory is given, which nothing uses yet.
   */
  run(
    memoryOf: (value: Value) => Memory,
    mayOverwrite: (value: Value, memory: DeviceArray) => boolean,
    timer?: Timer,
  ): Map<Value, DeviceArray>;
  release(): void;
}

export const newArray = (device: Device, { shape, dtype }: Value): DeviceArray => {
  const count = sizeOf(shape);
  return deviceArray(device, device.allocate(bytesFor(count)), count, dtype);
};

const bufferOf = ({ handle }: DeviceArray): GPUBuffer => handle as GPUBuffer;

/** Compiles a section's kernels, and gives its plan memory. */
export async function readySection(
  device: Device,
  { live, inputs, outputs }: Section,
  plan: Plan,
): Promise<ReadySection> {
  const { gpu } = device;
  // Before any memory is taken: it may fail.
  const launches = await compileKernels(device, plan.kernels);
  const results = new Set(outputs.values());
  const arena = makeArena(plan, results, {
    alignment: device.alignment.storage,
    maxBlock: device.maxBinding,
  });
  // A lack of memory is an error of this program, and not of whoever reads next.
  gpu.pushErrorScope("out-of-memory");
  const blocks = arena.blocks.map((bytes) => device.allocate(bytes));
  const scalars = device.allocate(bytesFor(plan.scalars.size));
  const fixed = new Map<Value, Part>();
  for (const [value, { block, offset, bytes }] of arena.places)
    fixed.set(value, { buffer: blocks[block], offset, size: bytes });
  const bound = new Set(plan.kernels.flatMap(({ buffers }) => buffers));
  const constants = live.constants.filter((value) => bound.has(value));
  for (const value of constants) {
    const buffer = bufferOf(newArray(device, value));
    gpu.queue.writeBuffer(buffer, 0, packed(value.data!));
    fixed.set(value, { buffer });
  }
  const written = new Set(plan.over.values());
  const release = (): void => {
    launches.release();
    const own = constants.map((value) => fixed.get(value)!.buffer);
    for (const buffer of [...blocks, scalars, ...own]) buffer.destroy();
  };
  const refused = await gpu.popErrorScope();
  if (refused) {
    release();
    const bytes = arena.blocks.reduce((sum, block) => sum + block, 0);
    throw new Error(
      `jit: the GPU has no memory for what lies between kernels, ${bytes} bytes: ${refused.message}`,
    );
  }

  return {
    run(memoryOf, mayOverwrite, timer) {
      const encoder = gpu.createCommandEncoder();
      const temporary: GPUBuffer[] = [];
      const at = new Map(fixed);
      const taken = new Map<Value, DeviceArray>();
      const buffers = new Set<GPUBuffer>();
      for (const [copy, value] of inputs) {
        const memory = memoryOf(value);
        const place = plan.scalars.get(copy);
        if (place !== undefined) {
          if (isOnHost(memory)) gpu.queue.writeBuffer(scalars, place * 4, packed(memory), 0, 1);
          else encoder.copyBufferToBuffer(bufferOf(memory), 0, scalars, place * 4, 4);
          continue;
        }
        const isOver = written.has(copy);
        let array = memory as DeviceArray;
        if (isOnHost(memory)) {
          array = newArray(device, copy);
          gpu.queue.writeBuffer(bufferOf(array), 0, packed(memory));
        } else if (buffers.has(bufferOf(memory)) || (isOver && !mayOverwrite(value, memory))) {
          // Nobody else's numbers are written over, and no memory is bound twice.
          array = newArray(device, copy);
          encoder.copyBufferToBuffer(bufferOf(memory), 0, bufferOf(array), 0, bufferOf(array).size);
        }
        if (array !== memory && !isOver) temporary.push(bufferOf(array));
        buffers.add(bufferOf(array));
        taken.set(copy, array);
        at.set(copy, { buffer: bufferOf(array) });
      }
      const made = new Map<Value, DeviceArray>();
      const ready = new Map<Value, DeviceArray>();
      for (const [value, result] of outputs) {
        const input = plan.over.get(result);
        const array = ready.get(result) ?? (input ? taken.get(input)! : newArray(device, result));
        ready.set(result, array);
        made.set(value, array);
        if (!plan.scalars.has(result)) at.set(result, { buffer: bufferOf(array) });
      }
      const add = (pass: GPUComputePass, launch: Launch): void =>
        encode(device, pass, launch, (value) => at.get(value)!, { buffer: scalars });
      if (timer) timer.time(encoder, launches.all, add);
      else {
        const pass = encoder.beginComputePass();
        for (const launch of launches.all) add(pass, launch);
        pass.end();
      }
      for (const [result, array] of ready) {
        const place = plan.scalars.get(result);
        if (place !== undefined) encoder.copyBufferToBuffer(scalars, place * 4, bufferOf(array), 0, 4);
      }
      gpu.queue.submit([encoder.finish()]);
      for (const buffer of temporary) buffer.destroy();
      return made;
    },
    release,
  };
}
