/** What processes of one run say to each other, whatever carries it. */
import { createHash } from "node:crypto";

/** Numbers that all ranks have in the same order. */
export type Numbers = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

export interface Communicator {
  /** Which of the processes this is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** What carries it, as `Open MPI 4.1.4`. */
  readonly engine: string;
  /**
   * Puts the sum over all ranks in the place of each number, the same to the last bit on every rank. Every rank calls it, and
   * `broadcast`, in the same order with as many numbers.
   * @throws RankError where a rank does not come
   */
  sum(numbers: Numbers): Promise<void>;
  /** Puts rank 0's numbers in the place of everybody's. @throws RankError where a rank does not come */
  broadcast(numbers: Numbers): Promise<void>;
  /** Waits for all ranks, and ends. Nothing can be said afterwards. */
  close(): Promise<void>;
}

/** Some ranks did not come to where the others wait for them. */
export class RankError extends Error {
  /** The lowest of those that wait, which speaks for all of them. */
  readonly speaker: number;
  constructor(message: string, speaker: number) {
    super(message);
    this.speaker = speaker;
  }
}

/** Numbers of a text that are the same for the same text alone, as far as 6 bytes tell. */
function textNumber(text: string): number {
  return createHash("sha256").update(text).digest().readUIntBE(0, 6);
}

/**
 * Checks that all ranks were given the same.
 * @throws on every rank, naming those that have something else than rank 0
 */
export async function checkAgreement(
  { rank, size, ...communicator }: Communicator,
  what: string,
  text: string,
): Promise<void> {
  const own = textNumber(text);
  const first = Float64Array.of(own);
  await communicator.broadcast(first);
  const others = new Float64Array(size);
  if (first[0] !== own) others[rank] = 1;
  await communicator.sum(others);
  const ranks = [...others.keys()].filter((i) => others[i] > 0);
  if (ranks.length > 0)
    throw new Error(`${named(ranks)} ${ranks.length > 1 ? "have" : "has"} another ${what} than rank 0`);
}

/** `rank 2`, `ranks 2 and 5`. */
export function named(ranks: readonly number[]): string {
  if (ranks.length === 1) return `rank ${ranks[0]}`;
  return `ranks ${ranks.slice(0, -1).join(", ")} and ${ranks.at(-1)}`;
}
