/** Outputs that go elsewhere than to the cell whose code makes them, also after awaits, in timers and in callbacks. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Capture } from "../display/sink.ts";

const storage = new AsyncLocalStorage<Capture>();

/** Where the running code's outputs go; undefined for its cell. */
export const currentCapture = (): Capture | undefined => storage.getStore();

/** Runs `body`, whose outputs go to `capture`, or (undefined) to the cell. */
export const capturing = <T>(capture: Capture | undefined, body: () => T): T =>
  storage.run(capture as Capture, body);
