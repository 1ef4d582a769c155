/** What processes of one run say to each other, whatever carries it. */
import { digestOf } from "../fingerprint.ts";
import type { Tensor } from "../tensor/tf.ts";

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
   * Puts the sum over all ranks in the place of each number, the same to the last bit on every rank, or on rank `to` alone.
   * Every rank calls it, and `broadcast`, in the same order with as many numbers.
   * @throws RankError where a rank does not come
   */
  sum(numbers: Numbers, to?: number): Promise<void>;
  /** Puts the numbers of rank `from` (default: 0) in the place of everybody's. @throws RankError where a rank does not come */
  broadcast(numbers: Numbers, from?: number): Promise<void>;
  /**
   * Puts sums in the place of compiled functions' results of float32 that lie on the ranks' GPUs, as `sum` does and where all ranks
   * can; every rank gives as many tensors of the same shapes. Returns those that are summed; the others are as they were. `onNote`
   * is told why some ranks cannot where others could.
   */
  sumOnDevices?(tensors: readonly Tensor[], onNote?: (note: string) => void): Promise<ReadonlySet<Tensor>>;
  /** Waits for what all ranks do at the same time by other means. @throws RankError where a rank does not come */
  together<T>(work: Promise<T>): Promise<T>;
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

/**
 * Checks that all ranks were given the same.
 * @throws on every rank, naming those that have something else than rank 0
 */
export async function checkAgreement(ranks: Communicator, what: string, text: string): Promise<void> {
  // As much of its hash as one number holds.
  const own = digestOf([text]).readUIntBE(0, 6);
  const first = Float64Array.of(own);
  await ranks.broadcast(first);
  const differs = new Float64Array(ranks.size);
  if (first[0] !== own) differs[ranks.rank] = 1;
  await ranks.sum(differs);
  const others = [...differs.keys()].filter((rank) => differs[rank] > 0);
  if (others.length > 0)
    throw new Error(`${named(others)} ${others.length > 1 ? "have" : "has"} another ${what} than rank 0`);
}

/** `rank 2`, `ranks 2 and 5`. */
export function named(ranks: readonly number[]): string {
  if (ranks.length === 1) return `rank ${ranks[0]}`;
  return `ranks ${ranks.slice(0, -1).join(", ")} and ${ranks.at(-1)}`;
}
