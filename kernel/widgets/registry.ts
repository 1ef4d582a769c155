/**
 * The live models of a process. The kernel and a package that a cell imports may each have loaded this folder, so what
 * they share lies in the global scope.
 */

/** A state with its bytes apart, as messages carry it. */
export interface Packed {
  readonly state: Record<string, unknown>;
  readonly buffer_paths: (string | number)[][];
  readonly buffers: Uint8Array[];
}

/** A model as the protocol sees it. */
export interface LiveModel {
  readonly id: string;
  /** The whole state. */
  pack(): Packed;
  /** Sends what was set and has not been sent yet. */
  flush(): void;
}

interface Registry {
  readonly models: Map<string, LiveModel>;
  /** Those with something to send. */
  readonly unsent: Set<LiveModel>;
}

const KEY = Symbol.for("ditlab.kernel.widgets");
type Holder = { [KEY]?: Registry };

export function registry(): Registry {
  const holder = globalThis as Holder;
  holder[KEY] ??= { models: new Map(), unsent: new Set() };
  return holder[KEY];
}

/** Sends what models have set: before outputs that may show them, and at a cell's end. */
export function flushModels(): void {
  const { unsent } = registry();
  for (const model of unsent) model.flush();
}
