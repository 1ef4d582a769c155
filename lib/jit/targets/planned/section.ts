/** A section of a program on a device: its plan, its memory, and how it is run. */
import { type DeviceArray, isOnHost, type Memory } from "../../buffers.ts";
import { sizeOf, type Value } from "../../graph.ts";
import { makeArena } from "../../plan/arena.ts";
import type { Plan } from "../../plan/plan.ts";
import type { Section } from "../../plan/sections.ts";
import { bufferOf, bytesFor, deviceArray, newArray, packed } from "./arrays.ts";
import type { Device, DeviceBuffer, Part, Timer } from "./device.ts";

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

/** Compiles a section's kernels, and gives its plan memory. */
export async function readySection(
  device: Device,
  { live, inputs, outputs }: Section,
  plan: Plan,
  cache: boolean | string,
): Promise<ReadySection> {
  // Before any memory is taken: it may fail.
  const launches = await device.compile(plan.kernels, cache);
  const results = new Set(outputs.values());
  const arena = makeArena(plan, results, {
    alignment: device.alignment,
    maxBlock: device.maxBinding,
  });
  const bound = new Set(plan.kernels.flatMap(({ buffers }) => buffers));
  const constants = live.constants.filter((value) => bound.has(value));
  const taken: DeviceBuffer[] = [];
  const allocate = (bytes: number): DeviceBuffer => {
    const buffer = device.allocate(bytes);
    taken.push(buffer);
    return buffer;
  };
  const release = (): void => {
    launches.release();
    for (const buffer of taken) buffer.destroy();
  };
  const failed = (why: string): Error => {
    release();
    const bytes = arena.blocks.reduce((sum, block) => sum + block, 0);
    return new Error(`jit: the GPU has no memory for what lies between kernels, ${bytes} bytes: ${why}`);
  };
  // A lack of memory is an error of this program, and not of whoever reads next.
  const { value: memory, refused } = await device
    .attempt(["out-of-memory"], () => ({
      blocks: arena.blocks.map(allocate),
      scalars: allocate(bytesFor(plan.scalars.size)),
      constants: constants.map(({ shape }) => allocate(bytesFor(sizeOf(shape)))),
    }))
    .catch((error: Error) => {
      throw failed(error.message);
    });
  if (refused) throw failed(refused);
  const { blocks, scalars } = memory;
  const fixed = new Map<Value, Part>();
  for (const [value, { block, offset, bytes }] of arena.places)
    fixed.set(value, { buffer: blocks[block], offset, size: bytes });
  const work = device.begin();
  constants.forEach((value, i) => {
    work.write(memory.constants[i], 0, packed(value.data!));
    fixed.set(value, { buffer: memory.constants[i] });
  });
  work.submit();
  const written = new Set(plan.over.values());
  /** Where numbers of the host are put: in each run the same places, which a device is prepared for then. */
  const landings = new Map<Value, DeviceBuffer>();
  const landing = (value: Value): DeviceArray => {
    const count = sizeOf(value.shape);
    const buffer = landings.get(value) ?? allocate(bytesFor(count));
    landings.set(value, buffer);
    return deviceArray(device, buffer, count, value.dtype);
  };

  type Run = ReadySection["run"];
  const run = (
    fresh: (value: Value) => DeviceArray,
    [memoryOf, mayOverwrite, timer]: Parameters<Run>,
  ): ReturnType<Run> => {
    const work = device.begin();
    const temporary: DeviceBuffer[] = [];
    const at = new Map(fixed);
    const given = new Map<Value, DeviceArray>();
    const buffers = new Set<DeviceBuffer>();
    for (const [copy, value] of inputs) {
      const memory = memoryOf(value);
      const place = plan.scalars.get(copy);
      if (place !== undefined) {
        if (isOnHost(memory)) work.write(scalars, place * 4, packed(memory));
        else work.copy(bufferOf(memory), 0, scalars, place * 4, 4);
        continue;
      }
      const isOver = written.has(copy);
      let array = memory as DeviceArray;
      if (isOnHost(memory)) {
        array = isOver ? fresh(copy) : landing(copy);
        work.write(bufferOf(array), 0, packed(memory));
      } else if (buffers.has(bufferOf(memory)) || (isOver && !mayOverwrite(value, memory))) {
        // Nobody else's numbers are written over, and no memory is bound twice.
        array = fresh(copy);
        work.copy(bufferOf(memory), 0, bufferOf(array), 0, bufferOf(array).size);
        if (!isOver) temporary.push(bufferOf(array));
      }
      buffers.add(bufferOf(array));
      given.set(copy, array);
      at.set(copy, { buffer: bufferOf(array) });
    }
    const made = new Map<Value, DeviceArray>();
    const ready = new Map<Value, DeviceArray>();
    for (const [value, result] of outputs) {
      const input = plan.over.get(result);
      const array = ready.get(result) ?? (input ? given.get(input)! : fresh(result));
      ready.set(result, array);
      made.set(value, array);
      if (!plan.scalars.has(result)) at.set(result, { buffer: bufferOf(array) });
    }
    work.run(launches, (value) => at.get(value)!, { buffer: scalars }, timer);
    for (const [result, array] of ready) {
      const place = plan.scalars.get(result);
      if (place !== undefined) work.copy(scalars, place * 4, bufferOf(array), 0, 4);
    }
    work.submit();
    for (const buffer of temporary) buffer.destroy();
    return made;
  };

  return {
    run(...args) {
      const fresh: DeviceArray[] = [];
      const make = (value: Value): DeviceArray => {
        const array = newArray(device, value);
        fresh.push(array);
        return array;
      };
      try {
        return run(make, args);
      } catch (error) {
        // Nobody gets them.
        for (const array of fresh) bufferOf(array).destroy();
        throw error;
      }
    },
    release,
  };
}
