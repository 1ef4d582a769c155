/** Work in parts that the ranks of a command share: each makes some of them, and all get the results. */
import { deserialize, serialize } from "node:v8";
import type { Communicator } from "./communicator.ts";

/**
 * Makes parts, in each round one on every rank, part i on rank i modulo their number. All ranks call it with the same parts
 * and get the results in the order of the parts, as plain data: who asks for no more of them must do so on every rank.
 * Without ranks the parts are made here, one after the other.
 */
export async function* shareOut<P, T>(
  parts: readonly P[],
  make: (part: P) => Promise<T>,
  ranks?: Communicator,
): AsyncGenerator<T> {
  const { rank, size } = ranks ?? { rank: 0, size: 1 };
  for (let round = 0; round < parts.length; round += size) {
    const own = round + rank < parts.length ? await make(parts[round + rank]) : undefined;
    if (ranks) yield* everybodys<T>(ranks, Math.min(size, parts.length - round), own);
    else yield own as T;
  }
}

/** Parts that many ranks have something of. */
const MANY = 64;

/** The numbers `from` to `from + count - 1` of all. */
export interface Part {
  readonly from: number;
  readonly count: number;
}

/**
 * Cuts `count` things into parts of `most`, or smaller ones where there would be few of them, always multiples of `unit`. How
 * many ranks there are has no say in it, so that what depends on the cut does not depend on them.
 */
export function partsOf(count: number, { unit = 1, most }: { unit?: number; most: number }): Part[] {
  const size = Math.min(most, unit * Math.ceil(count / unit / MANY));
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => ({
    from: i * size,
    count: Math.min(size, count - i * size),
  }));
}

/** Waits until all parts are made. */
export async function shareAll<P>(
  parts: readonly P[],
  make: (part: P) => Promise<unknown>,
  ranks?: Communicator,
): Promise<void> {
  for await (const _ of shareOut(parts, make, ranks));
}

/** What rank 0 has, on all ranks; the others' own is not looked at. */
export async function fromFirst<T>(value: T, ranks?: Communicator): Promise<T> {
  if (!ranks) return value;
  for await (const told of everybodys<T>(ranks, 1, value)) return told;
  throw new Error("rank 0 has told nothing");
}

/** Does something on rank 0 alone before the others go on, and so only where it has come to its end. */
export async function firstAlone(work: () => Promise<unknown>, ranks?: Communicator): Promise<void> {
  if (isFirst(ranks)) await work();
  await ranks?.sum(new Float64Array(1));
}

/** Whether this is the process that writes what all have made, and speaks for them. */
export const isFirst = (ranks?: Pick<Communicator, "rank">): boolean => (ranks?.rank ?? 0) === 0;

/** What each of the first `count` ranks has, one after the other, so that memory holds one of them. */
async function* everybodys<T>(ranks: Communicator, count: number, own: T | undefined): AsyncGenerator<T> {
  const bytes = ranks.rank < count ? serialize(own) : new Uint8Array();
  const lengths = new Float64Array(count);
  if (ranks.rank < count) lengths[ranks.rank] = bytes.length;
  await ranks.sum(lengths);
  for (const [rank, length] of lengths.entries()) {
    // Whole numbers of 32 bits, to which the others add nothing, come through a sum of doubles as they are.
    const words = new Uint32Array(Math.ceil(length / 4));
    if (rank === ranks.rank) new Uint8Array(words.buffer).set(bytes);
    const sums = Float64Array.from(words);
    await ranks.sum(sums);
    yield deserialize(Buffer.from(Uint32Array.from(sums).buffer, 0, length)) as T;
  }
}
