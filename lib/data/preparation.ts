/** Preparations in parts, which one process makes one after the other, or several share. */
import type { Communicator } from "../distributed/communicator.ts";
import { firstAlone, isFirst, type Part, partsOf, shareOut } from "../distributed/share.ts";
import { exists } from "../io/files.ts";
import {
  type BrokenImage,
  claimDestination,
  type Description,
  describedAs,
  type PrepareOptions,
  type PrepareResult,
} from "./destination.ts";
import type { Source } from "./sources.ts";

/** What became of a part: outputs that were written, those that were there, and images that have none. */
export interface PartOutcome {
  written: number;
  skipped: number;
  broken: BrokenImage[];
  /** Whether a signal stopped it before its end. */
  stopped: boolean;
}

/** How a part is made: what stops it after the images that are being worked on, and who is told how many are done. */
export interface PartOptions {
  signal?: AbortSignal;
  onProgress?: (done: number) => void;
}

/** A folder to be filled, with all that it takes opened. */
export interface Preparation {
  readonly source: Source;
  readonly description: Description;
  /** How many outputs there are, of images or of texts. */
  readonly total: number;
  /** How they are cut where several share the work; some are made together. */
  readonly cut: Parameters<typeof partsOf>[1];
  /** Makes the outputs of a part that are not there. */
  make(part: Part, options: PartOptions): Promise<PartOutcome>;
  /** Whether all outputs of a part are there. */
  isDone(part: Part): Promise<boolean>;
  /** Writes what says that the folder is finished, when all outputs are there but those of broken images. */
  finish(broken: readonly BrokenImage[]): Promise<void>;
  close(): Promise<void>;
}

export interface RunOptions extends PrepareOptions {
  /** Has parts made by others, who call `make` of the same preparation; nothing where that was stopped. */
  distribute?(parts: readonly Part[]): Promise<readonly PartOutcome[] | undefined>;
}

/** Rank 0 claims the folder; the others must find it, and be about to fill it with the same. */
async function claim(destination: string, { description }: Preparation, ranks?: Communicator): Promise<void> {
  await firstAlone(() => claimDestination(destination, description), ranks);
  if (isFirst(ranks)) return;
  if (!(await describedAs(destination)))
    throw new Error(
      `${destination} is not here as rank 0 has begun it; expected a folder that all ranks see`,
    );
  await claimDestination(destination, description);
}

/** Fills a folder, goes on with one that was begun, and closes what was opened for it. */
export async function runPreparation(
  destination: string,
  preparation: Preparation,
  { ranks, distribute, signal, onProgress }: RunOptions,
): Promise<PrepareResult> {
  const { source, total, cut } = preparation;
  const broken: BrokenImage[] = [];
  let [written, skipped] = [0, 0];
  const progress = (more = 0): void => onProgress?.(written + skipped + broken.length + more, total);
  const note = (outcome: PartOutcome): void => {
    written += outcome.written;
    skipped += outcome.skipped;
    broken.push(...outcome.broken);
  };
  try {
    await claim(destination, preparation, ranks);
    if (distribute) {
      const missing: Part[] = [];
      for (const part of partsOf(total, cut))
        if (await preparation.isDone(part)) skipped += part.count;
        else missing.push(part);
      for (const outcome of (await distribute(missing)) ?? []) note(outcome);
    } else {
      const make = (part: Part) => preparation.make(part, { signal, onProgress: progress });
      const parts = ranks ? partsOf(total, cut) : [{ from: 0, count: total }];
      for await (const outcome of shareOut(parts, make, ranks)) {
        note(outcome);
        progress();
        if (outcome.stopped) break;
      }
    }
    broken.sort((a, b) => a.index - b.index);
    if (broken.length === total)
      throw new Error(`None of the ${total} images of ${source.path} can be read: ${broken[0].error}`);
    const finished = written + skipped + broken.length === total;
    // Before anybody goes on: a finished folder may be what is read next.
    if (finished) await firstAlone(() => preparation.finish(broken), ranks);
    return { count: total, written, skipped, broken, others: source.others, finished };
  } finally {
    await preparation.close();
  }
}

/** The numbers of a part. */
export const numbersOf = ({ from, count }: Part): number[] =>
  Array.from({ length: count }, (_, i) => from + i);

/** Whether a file lies at each of some paths. */
export async function allExist(paths: readonly string[]): Promise<boolean> {
  for (const path of paths) if (!(await exists(path))) return false;
  return true;
}
