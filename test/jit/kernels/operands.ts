/** Random operands for kernel tests: shapes with size-1 axes and odd sizes, and values drawn for an operation's domain. */
import fc from "fast-check";
import { type RandomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";
import { randomGenerator } from "../../../lib/tensor/random.ts";

export type Dtype = "float32" | "int32" | "bool";

export interface Operand {
  shape: number[];
  dtype: Dtype;
  values: number[];
}

export const toTensor = ({ values, shape, dtype }: Operand): Tensor => tf.tensor(values, shape, dtype);
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

type Draw = (random: RandomGenerator) => number;
const float32 =
  (draw: Draw): Draw =>
  (random) =>
    Math.fround(draw(random));

export const normal = float32((random) => random.normal());
export const between = (low: number, high: number): Draw =>
  float32((random) => low + (high - low) * random.uniform());
export const positive = between(0.3, 2.5);
/** Both signs, away from zero, where derivatives of many operations have their kinks and poles. */
export const nonzero = float32((random) => (random.uniform() < 0.5 ? -1 : 1) * (0.3 + 2 * random.uniform()));
/** Integers from -limit to limit. */
export const integers =
  (limit = 6): Draw =>
  (random) =>
    random.integer(2 * limit + 1) - limit;

export const operand = (
  shape: number[],
  draw: Draw = normal,
  dtype: Dtype = "float32",
  seed = 1,
): Operand => {
  const random = randomGenerator(seed);
  return { shape, dtype, values: Array.from({ length: sizeOf(shape) }, () => draw(random)) };
};
export const given = (values: number[], shape = [values.length], dtype: Dtype = "float32"): Operand => ({
  shape,
  dtype,
  values: dtype === "float32" ? values.map(Math.fround) : values,
});

const size = fc.constantFrom(1, 2, 3, 5);
/** A shape of the given ranks with at most a few hundred elements. */
export const shapes = (minRank = 0, maxRank = 5): fc.Arbitrary<number[]> =>
  fc.array(size, { minLength: minRank, maxLength: maxRank }).filter((shape) => sizeOf(shape) <= 400);

const seeds = fc.nat({ max: 1e6 });
export const operands = (
  shape: fc.Arbitrary<number[]> = shapes(),
  draw: Draw = normal,
  dtype: Dtype = "float32",
): fc.Arbitrary<Operand> => fc.tuple(shape, seeds).map(([s, seed]) => operand(s, draw, dtype, seed));
export const integerOperands = (shape = shapes(), limit = 6): fc.Arbitrary<Operand> =>
  operands(shape, integers(limit), "int32");
export const flags = (shape = shapes()): fc.Arbitrary<Operand> =>
  operands(shape, (random) => random.integer(2), "bool");

/** Shapes that broadcast against each other: leading axes dropped, others reduced to 1. */
export const broadcastShapes = (count: number, maxRank = 5): fc.Arbitrary<number[][]> =>
  shapes(0, maxRank).chain((full) =>
    fc.tuple(
      ...Array.from({ length: count }, () =>
        fc
          .tuple(fc.nat({ max: full.length }), fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }))
          .map(([drop, ones]) =>
            full.slice(Math.min(drop, drop % 3)).map((n, i) => (ones[i] && ones[i + 1] ? 1 : n)),
          ),
      ),
    ),
  );

/** Operands whose shapes broadcast, one draw each. */
export const broadcast = (draws: Draw[], dtype: Dtype = "float32"): fc.Arbitrary<Operand[]> =>
  fc
    .tuple(broadcastShapes(draws.length), seeds)
    .map(([all, seed]) => all.map((shape, i) => operand(shape, draws[i], dtype, seed + i)));

/** An axis of a shape, counted from either end. */
export const axisOf = (rank: number): fc.Arbitrary<number> => fc.integer({ min: -rank, max: rank - 1 });
/** A set of distinct axes, some negative; undefined stands for all. */
export const axesOf = (rank: number): fc.Arbitrary<number[] | undefined> =>
  fc.option(
    fc
      .subarray([...Array(rank).keys()], { minLength: Math.min(1, rank) })
      .map((axes) => axes.map((axis, i) => (i % 2 === 1 ? axis - rank : axis))),
    { nil: undefined },
  );

export const SPECIAL = [
  Number.NaN,
  Infinity,
  -Infinity,
  0,
  -0,
  0.5,
  -0.5,
  1.5,
  -1.5,
  2.5,
  -2.5,
  1,
  -1,
  3,
  -7.25,
  1e-8,
  100,
];
