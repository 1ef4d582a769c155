/** How long a folder's work took, by phase, over all the processes that it was cut into. */
import { writeAtomic } from "../io/index.ts";
import { readJson } from "./arm-run.ts";

export interface Timing {
  /** By phase; `total` is that of the whole. */
  readonly seconds: Record<string, number>;
  /** Writes it down, the total brought up to now. */
  save(): Promise<void>;
}

/** Goes on with the times in a file, from now. */
export async function timingOf(path: string): Promise<Timing> {
  const begun = performance.now();
  const seconds = await readJson<Record<string, number>>(path, {});
  const before = seconds.total ?? 0;
  return {
    seconds,
    save() {
      seconds.total = before + (performance.now() - begun) / 1000;
      return writeAtomic(path, JSON.stringify(seconds));
    },
  };
}
