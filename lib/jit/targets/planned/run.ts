/** Runs a program's sections and loops, in the order in which they are. */
import { type DeviceArray, isOnHost, type Memory } from "../../buffers.ts";
import type { Value } from "../../graph.ts";
import { isRounds, type Rounds, type Section, type Step } from "../../plan/sections.ts";
import { bufferOf, newArray, packed } from "./arrays.ts";
import { type Device, lossError, type Timer } from "./device.ts";
import { type Environment, newEnvironment } from "./environment.ts";
import type { ReadySection } from "./section.ts";

/** Sections whose work may be waiting on the device. */
const IN_FLIGHT = 3;

/** An array of the device with the same numbers, which nothing uses yet. */
export const copied = (device: Device, value: Value, memory: Memory): DeviceArray => {
  const copy = newArray(device, value);
  const buffer = bufferOf(copy);
  const work = device.begin();
  if (isOnHost(memory)) work.write(buffer, 0, packed(memory));
  else work.copy(bufferOf(memory), 0, buffer, 0, buffer.size);
  work.submit();
  return copy;
};

/** Runs steps in an environment. */
export function runnerOf(device: Device, ready: ReadonlyMap<Section, ReadySection>, timer?: Timer) {
  let flying: Promise<void>[] = [];
  let isProved = false;

  async function runSection(
    section: Section,
    environment: Environment,
    mayOverwrite: (value: Value, memory: DeviceArray) => boolean,
  ): Promise<void> {
    const keep = (made: Map<Value, DeviceArray>): void => {
      for (const [value, array] of made) environment.set(value, array);
    };
    if (flying.length >= IN_FLIGHT) await flying.shift();
    if (device.loss !== undefined) throw lossError("the program", device);
    const run = () => ready.get(section)!.run(environment.get, mayOverwrite, timer);
    if (isProved) keep(run());
    else {
      const { value, refused } = await device.attempt(["validation"], run);
      keep(value);
      if (refused) throw new Error(`jit: the GPU refused a program: ${refused}`);
    }
    const end = device.done();
    // Whoever waits for it is told.
    end.catch(() => {});
    flying = [...flying, end].slice(-IN_FLIGHT);
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
