/**
 * How a step's batch is cut into parts of one size. A gradient is the sum over parts, divided by their number, so that it is
 * the same whoever computes which part: one run of the compiled step, several runs, or several processes.
 */
import { type Communicator, named } from "../distributed/communicator.ts";
import { microBatchesFor } from "./micro-batches.ts";
import type { Task } from "./task.ts";

export interface Cut {
  /** Parts of the whole batch. */
  readonly parts: number;
  /** The first of this process's samples in the batch, and how many it has. */
  readonly from: number;
  readonly count: number;
  /** Parts in each of its runs. */
  readonly runs: readonly number[];
}

export interface CutOptions {
  batchSize: number;
  accumulate?: number;
  microBatches?: number;
}

const ALONE = { rank: 0, size: 1 };

/** How much more than its share the process with the most parts may have, before smaller parts are made. */
const UNEVEN = 1.1;

/**
 * Cuts a batch for one of the processes of a run.
 * @throws where there are fewer samples than processes, and where a method compares the samples of a part and the config
 * has fewer parts than there are processes
 */
export function cutBatch(
  task: Task,
  options: CutOptions,
  { rank, size }: Pick<Communicator, "rank" | "size"> = ALONE,
): Cut {
  const { batchSize, accumulate = 1 } = options;
  const perRun = batchSize / accumulate;
  const inRun = options.microBatches ?? microBatchesFor(task, perRun);
  const parts = size === 1 ? accumulate * inRun : partsFor(task, batchSize, accumulate * inRun, size);
  const samples = batchSize / parts;
  const first = (of: number): number => Math.floor((of * parts) / size);
  const [begin, end] = [first(rank), first(rank + 1)];
  const most = Math.max(1, Math.floor(perRun / samples));
  const runs: number[] = [];
  for (let left = end - begin; left > 0; left -= most) runs.push(Math.min(most, left));
  return { parts, from: begin * samples, count: (end - begin) * samples, runs };
}

/** So many parts that each process has nearly as much as the others: as few as that takes, from `least` on. */
function partsFor({ methods }: Task, batchSize: number, least: number, size: number): number {
  if (batchSize < size)
    throw new Error(`a batch of ${batchSize} cannot be shared by ${size} ranks; expected one image for each`);
  const coupling = methods.find(({ couplesSamples }) => couplesSamples);
  if (coupling) {
    if (least >= size) return least;
    // Smaller parts would be another loss.
    throw new Error(
      `${coupling.name} compares the samples of a part, and ${named([...Array(size).keys()])} need a part each; expected accumulate to be ${size} or more (as it would be on one process), got ${least} part${least > 1 ? "s" : ""}`,
    );
  }
  let best = batchSize;
  for (let parts = batchSize; parts >= Math.max(least, size); parts--)
    if (batchSize % parts === 0 && Math.ceil(parts / size) / parts <= UNEVEN / size) best = parts;
  return best;
}
