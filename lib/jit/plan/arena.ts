/** Memory that values share which are never needed at the same time. */
import { sizeOf, type Value } from "../graph.ts";
import type { Plan } from "./plan.ts";

export interface Place {
  /** Which of the arena's blocks, and where in it. */
  block: number;
  offset: number;
  bytes: number;
}

export interface Arena {
  places: ReadonlyMap<Value, Place>;
  /** Bytes of each block. */
  blocks: number[];
}

const BYTES = 4;
const NARROW_BYTES = 2;
const aligned = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

/**
 * Places the values of a plan that are neither results nor single numbers, each from the kernel that writes it to the last
 * that reads it, in the first gap that holds it.
 * @throws where one is larger than a block may be
 */
export function makeArena(
  { kernels, stored, scalars, over, narrow }: Plan,
  apart: ReadonlySet<Value>,
  { alignment, maxBlock }: { alignment: number; maxBlock: number },
): Arena {
  const first = new Map<Value, number>();
  const last = new Map<Value, number>();
  kernels.forEach(({ buffers }, i) => {
    for (const value of buffers) {
      if (!stored.has(value) || scalars.has(value) || apart.has(value) || over.has(value)) continue;
      if (!first.has(value)) first.set(value, i);
      last.set(value, i);
    }
  });
  const ending: Value[][] = kernels.map(() => []);
  for (const [value, at] of last) ending[at].push(value);
  const beginning: Value[][] = kernels.map(() => []);
  for (const [value, at] of first) beginning[at].push(value);
  const places = new Map<Value, Place>();
  const blocks: number[] = [];
  /** What is in use of each block, by offset. */
  const used: Place[][] = [];
  for (const i of kernels.keys()) {
    for (const value of beginning[i]) {
      const width = narrow.has(value) ? NARROW_BYTES : BYTES;
      const bytes = aligned(Math.max(1, sizeOf(value.shape)) * width, alignment);
      if (bytes > maxBlock)
        throw new Error(
          `jit: an array of [${value.shape}] needs ${bytes} bytes, more than the ${maxBlock} that the device allows for one`,
        );
      places.set(value, take(blocks, used, bytes, maxBlock));
    }
    for (const value of ending[i]) {
      const { block, offset } = places.get(value)!;
      used[block] = used[block].filter((place) => place.offset !== offset);
    }
  }
  return { places, blocks };
}

/** The first gap, in the block that has one, or behind what a block has. */
function take(blocks: number[], used: Place[][], bytes: number, maxBlock: number): Place {
  for (let block = 0; ; block++) {
    if (block === blocks.length) {
      blocks.push(0);
      used.push([]);
    }
    let offset = 0;
    let at = 0;
    for (; at < used[block].length && used[block][at].offset < offset + bytes; at++)
      offset = used[block][at].offset + used[block][at].bytes;
    if (offset + bytes > maxBlock) continue;
    const place = { block, offset, bytes };
    used[block].splice(at, 0, place);
    blocks[block] = Math.max(blocks[block], offset + bytes);
    return place;
  }
}
