/** The memory of a program's values while it runs. */
import { type DeviceArray, isOnHost, type Memory } from "../../buffers.ts";
import type { Value } from "../../graph.ts";

/** It uses what it holds, until it is released. Within a loop's round there is one of its own. */
export interface Environment {
  /** @throws where a value has none */
  get(value: Value): Memory;
  set(value: Value, memory: Memory): void;
  /** Whether it alone uses an array that is its own. */
  isOnlyUser(value: Value, memory: DeviceArray): boolean;
  release(): void;
}

export function newEnvironment(outside?: Environment): Environment {
  const held = new Map<Value, Memory>();
  return {
    get(value) {
      const memory = value.data ?? held.get(value) ?? outside?.get(value);
      if (!memory) throw new Error(`jit: ${value.name} was read before it was made`);
      return memory;
    },
    set(value, memory) {
      if (!isOnHost(memory)) memory.retain();
      held.set(value, memory);
    },
    isOnlyUser: (value, memory) => held.has(value) && memory.users === 1,
    release() {
      for (const memory of held.values()) if (!isOnHost(memory)) memory.release();
      held.clear();
    },
  };
}
