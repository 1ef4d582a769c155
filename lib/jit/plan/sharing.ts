/** How the threads of a reduction share its numbers. */
import { sizeOf } from "../graph.ts";

/** From this many numbers on a workgroup shares a sum, where there are not enough sums for all threads. */
const SHARED_FROM = 128;
const FEW_SUMS = 4096;

/** Columns that a workgroup sums side by side, where neighbours in memory belong to different sums. */
const COLUMNS = 16;

export interface Sharing {
  /** Numbers of each sum, and sums. */
  count: number;
  sums: number;
  /** Whether the threads of a workgroup share sums, and how many of them side by side. */
  isShared: boolean;
  across: number;
}

export function sharingOf(shape: readonly number[], axes: readonly number[]): Sharing {
  const count = sizeOf(axes.map((i) => shape[i]));
  const sums = sizeOf(shape.filter((_, i) => !axes.includes(i)));
  const last = shape.length - 1;
  const isShared = count >= SHARED_FROM && sums < FEW_SUMS;
  return { count, sums, isShared, across: !axes.includes(last) && shape[last] >= COLUMNS ? COLUMNS : 1 };
}
