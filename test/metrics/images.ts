/** Images for tests of the evaluator. */
import * as assert from "uvu/assert";
import type { Pixels } from "../../lib/data/index.ts";
import { type NdArray, ndarray } from "../../lib/io/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";

/** The images of an array [count, height, width, 3]. */
export const pixelsOf = ({ data, shape }: NdArray): Pixels[] => {
  const [count, height, width] = shape;
  const area = height * width * 3;
  return Array.from({ length: count }, (_, i) => ({
    data: (data as Uint8Array).slice(i * area, (i + 1) * area),
    width,
    height,
  }));
};

/** Images of noise around a color. */
export function noise(count: number, side: number, seed: number): NdArray<"uint8"> {
  const random = randomGenerator(seed);
  return ndarray(
    Uint8Array.from(
      { length: count * side * side * 3 },
      (_, i) => (seed * 40 * (i % 3) + random.integer(90)) % 256,
    ),
    [count, side, side, 3],
  ) as NdArray<"uint8">;
}

/** Largest difference as a share of the largest value. */
export const errorOf = (got: ArrayLike<number>, want: ArrayLike<number>): number => {
  assert.is(got.length, want.length);
  const values = Array.from(want);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return values.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i])), 0) / largest;
};
