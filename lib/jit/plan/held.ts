/** Which numbers of the results a thread of attention's kernels holds. */
import type { AttentionTiles } from "./attention-forms.ts";
import type { KernelBuilder } from "./builder.ts";

/** How the parts of so many numbers, which are read as one, are named behind its name. */
export const partsOf = (count: 1 | 4): readonly string[] => (count === 1 ? [""] : [".x", ".y", ".z", ".w"]);

/** One or four numbers of a row of results. */
export interface Held {
  /** Which of the pieces that rows come in. */
  piece: number;
  type: "f32" | "float4";
  /** The first number's place in the row: so many behind `lane`, or behind four times `lane`. */
  from: number;
  /** Where it lies in a row of the piece in the workgroup's memory, and which part of that it is if it is one. */
  vector: string;
  part?: string;
}

/** Vectors of a row while there are enough for all lanes, and single numbers of the rest. */
export function heldNumbers(kernel: KernelBuilder, tiles: AttentionTiles, size: number): Held[] {
  const { pieces, lanes, width, vector: each } = tiles;
  const held: Held[] = [];
  for (let piece = 0; piece < pieces; piece++) {
    const end = Math.min(width, Math.ceil(size / each) * each - piece * width);
    const last = end / each - 1;
    /** Lanes behind the last number read it, too, and store nothing. */
    const within = (first: string, start: number, count: number): string => {
      const vector = start === 0 ? first : kernel.let("u32", `${first} + ${start / each}u`);
      const isWithin = (start + count) / each - 1 <= last;
      return kernel.let("u32", isWithin ? vector : kernel.language.call("min", vector, `${last}u`));
    };
    let start = 0;
    if (each === 4)
      for (; end - start > 3 * lanes; start += 4 * lanes) {
        const vector = within("lane", start, 4 * lanes);
        held.push({ piece, type: "float4", from: piece * width + start, vector });
      }
    for (; start < end; start += lanes) {
      const from = piece * width + start;
      if (each === 1) held.push({ piece, type: "f32", from, vector: within("lane", start, lanes) });
      else {
        const vector = within(kernel.let("u32", "lane / 4u"), start, lanes);
        held.push({ piece, type: "f32", from, vector, part: kernel.let("u32", "lane % 4u") });
      }
    }
  }
  return held;
}
