/** Samples by several ranks: in each round every rank draws a batch, into a folder that all of them see. */
import type { Communicator } from "../distributed/communicator.ts";
import { type GatherOptions, type GatherPart, partAt, writePart } from "../samplers/gather.ts";

/** What rank 0 tells: which batches are missing. */
async function tellMissing(ranks: Communicator, missing: readonly GatherPart[]): Promise<GatherPart[]> {
  const length = Float64Array.of(missing.length);
  await ranks.broadcast(length);
  const numbers = new Float64Array(2 * length[0]);
  numbers.set(missing.flatMap(({ first, count }) => [first, count]));
  await ranks.broadcast(numbers);
  return Array.from({ length: length[0] }, (_, i) => partAt(numbers[2 * i], numbers[2 * i + 1]));
}

/** Draws this rank's share of the batches that rank 0 finds missing; all ranks call it. */
export async function drawShare(
  ranks: Communicator,
  folder: string,
  make: GatherOptions["make"],
  missing: readonly GatherPart[] = [],
): Promise<void> {
  const parts = await tellMissing(ranks, missing);
  for (let round = 0; round < parts.length; round += ranks.size) {
    const part = parts[round + ranks.rank];
    if (part) await writePart(folder, part, await make(part.first, part.count));
    // Nobody waits longer than for one batch.
    await ranks.sum(new Float64Array(1));
  }
}
