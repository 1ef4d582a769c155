/** A traced function, run as kernels on a GPU. */
import {
  type DeviceArray,
  heldArray,
  hostNumbers,
  isOnHost,
  type Memory,
  newBuffer,
  tensorOver,
} from "../../buffers.ts";
import type { Value } from "../../graph.ts";
import { written } from "../../lower.ts";
import { formFor } from "../../plan/forms.ts";
import { isRounds, type Rounds, type Section, type Step } from "../../plan/sections.ts";
import { planProgram } from "../../plan/traced.ts";
import type { CompileOptions, Place, Program, Target } from "../../program.ts";
import type { Leaf } from "../../structure.ts";
import { type Device, devicesLost, type GPUBuffer, lossError, openDevice, packed } from "./device.ts";
import { KERNELS } from "./dialect.ts";
import { type Environment, newEnvironment } from "./environment.ts";
import { newArray, type ReadySection, readySection } from "./section.ts";
import { WGSL } from "./wgsl.ts";

/** Sections whose work may be waiting on the device. */
const IN_FLIGHT = 3;

/** An array of the device with the same numbers, which nothing uses yet. */
const copied = (device: Device, value: Value, memory: Memory): DeviceArray => {
  const copy = newArray(device, value);
  const { gpu } = device;
  const buffer = copy.handle as GPUBuffer;
  if (isOnHost(memory)) gpu.queue.writeBuffer(buffer, 0, packed(memory));
  else {
    const encoder = gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(memory.handle as GPUBuffer, 0, buffer, 0, buffer.size);
    gpu.queue.submit([encoder.finish()]);
  }
  return copy;
};

/** Runs steps in an environment. */
function runnerOf(device: Device, ready: ReadonlyMap<Section, ReadySection>) {
  const { gpu } = device;
  let flying: Promise<void>[] = [];
  let isProved = false;

  async function runSection(
    section: Section,
    environment: Environment,
    mayOverwrite: (value: Value, memory: DeviceArray) => boolean,
  ): Promise<void> {
    if (flying.length >= IN_FLIGHT) await flying.shift();
    if (device.loss !== undefined) throw lossError("the program", device);
    if (!isProved) gpu.pushErrorScope("validation");
    const made = ready.get(section)!.run(environment.get, mayOverwrite);
    for (const [value, array] of made) environment.set(value, array);
    if (!isProved) {
      const error = await gpu.popErrorScope();
      if (error) throw new Error(`jit: the GPU refused a program: ${error.message}`);
    }
    flying = [...flying, gpu.queue.onSubmittedWorkDone()].slice(-IN_FLIGHT);
  }

  async function runRounds(
    { count, index, state, body, captures }: Rounds,
    environment: Environment,
  ): Promise<void> {
    const given = environment.get(count);
    const rounds = Number((isOnHost(given) ? given : await given.read())[0]);
    // What the host has is not sent in every round.
    for (const value of captures) {
      const memory = environment.get(value);
      if (!value.data && isOnHost(memory)) environment.set(value, copied(device, value, memory));
    }
    let before: Environment | undefined;
    try {
      for (let round = 0; round < rounds; round++) {
        const inner = newEnvironment(environment);
        inner.set(index, Int32Array.of(round));
        for (const { start, inside, next } of state)
          inner.set(inside, before ? before.get(next) : environment.get(start));
        // What the state was has no other user from here on.
        before?.release();
        before = inner;
        await runSteps(body, inner, inner.isOnlyUser);
      }
      for (const { start, next, result } of state)
        environment.set(result, before ? before.get(next) : environment.get(start));
    } finally {
      before?.release();
    }
  }

  async function runSteps(
    steps: readonly Step[],
    environment: Environment,
    mayOverwrite: (value: Value, memory: DeviceArray) => boolean,
  ): Promise<void> {
    for (const step of steps)
      await (isRounds(step) ? runRounds(step, environment) : runSection(step, environment, mayOverwrite));
  }

  return async (...run: Parameters<typeof runSteps>): Promise<void> => {
    await runSteps(...run);
    isProved = true;
  };
}

async function compile(
  trace: Parameters<Target["compile"]>[0],
  leaves: readonly Leaf[],
  donated: readonly boolean[],
  _options: CompileOptions,
): Promise<Program> {
  const start = performance.now();
  const traced = written(await trace(), KERNELS);
  const traceSeconds = (performance.now() - start) / 1000;
  const device = await openDevice();
  const { live } = traced;
  const { steps, plans, places } = planProgram(traced, leaves, donated, {
    style: { language: WGSL, formOf: (size) => formFor(size, device.products) },
    maxBuffers: device.maxBuffers,
    storage: device.storage,
  });
  const planned = performance.now();
  const ready = new Map<Section, ReadySection>();
  for (const [section, plan] of plans) ready.set(section, await readySection(device, section, plan));
  const run = runnerOf(device, ready);
  const positions = new Map(leaves.map(({ name }, i) => [name, i]));
  const feeds = live.inputs.map((value) => ({ value, leaf: positions.get(value.name)! }));
  const leafOf = new Map(feeds.map(({ value, leaf }) => [value, leaf]));
  const returned = places.flatMap(({ leaf, computed }) => (computed || leaf === undefined ? [] : [leaf]));
  const stats = {
    nodes: live.nodes.length,
    traceSeconds,
    compileSeconds: (performance.now() - start) / 1000 - traceSeconds,
    encodeSeconds: (planned - start) / 1000 - traceSeconds,
    cached: false,
    calls: 0,
    inPlace: steps.reduce((sum, step) => sum + (isRounds(step) ? 0 : plans.get(step)!.over.size), 0),
    overwritten: 0,
  };
  return {
    stats,
    reads: [...new Set([...feeds.map(({ leaf }) => leaf), ...returned])],
    async run(numbers, { owned, written }) {
      const environment = newEnvironment();
      try {
        for (const { value, leaf } of feeds) environment.set(value, numbers.get(leaf)!);
        await run(steps, environment, (value, memory) => {
          const leaf = leafOf.get(value);
          const isOwn = leaf !== undefined && owned.get(leaf)?.data === memory;
          if (isOwn) written.add(memory);
          return isOwn;
        });
        stats.calls++;
        stats.overwritten += written.size;
        return traced.rebuild(resultsOf(device, places, environment, numbers, owned));
      } finally {
        environment.release();
      }
    },
    endProfile: () => undefined,
    release(): void {
      for (const section of ready.values()) section.release();
    },
  };
}

/** The tensors of a program's results. */
function resultsOf(
  device: Device,
  places: readonly Place[],
  environment: Environment,
  numbers: ReadonlyMap<number, Memory>,
  owned: Parameters<Program["run"]>[1]["owned"],
) {
  const seen = new Set<unknown>();
  return places.map(({ value, leaf, computed }) => {
    if (!computed) {
      const memory = numbers.get(leaf!)!;
      // Others may hold what is not the call's own.
      return tensorOver(owned.get(leaf!) ?? newBuffer(memory, true), value);
    }
    const memory = environment.get(value);
    // An argument that comes back, or a result that is asked for twice, is a copy.
    const isShared = isOnHost(memory) || !value.node || seen.has(memory.handle);
    const array = isShared ? copied(device, value, memory) : memory;
    seen.add(array.handle);
    return tensorOver(newBuffer(array), value);
  });
}

/** Any GPU with a driver for Vulkan, Metal or D3D12. */
export const webgpu: Target = {
  name: "webgpu",
  dialect: KERNELS,
  async numbersOf({ tensor }: Leaf): Promise<Memory> {
    // Held until the call is over: the caller may dispose its tensors while it is under way.
    const array = heldArray(tensor);
    if (!array) return hostNumbers(tensor);
    try {
      if (array.device === (await openDevice())) return array;
      const numbers = await array.read();
      array.release();
      return numbers;
    } catch (error) {
      array.release();
      throw error;
    }
  },
  generation: devicesLost,
  compile,
};
