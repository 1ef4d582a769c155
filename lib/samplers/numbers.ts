/** The numbers of steps as rows of a table, which a compiled loop reads by their names. */
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Lifted, StepNumbers } from "./sampler.ts";

type Leaves = { readonly [name: string]: number | Leaves | undefined };

/** The numbers in the order of their names. */
const valuesOf = (numbers: Leaves): number[] =>
  Object.values(numbers).flatMap((value) =>
    value === undefined ? [] : typeof value === "number" ? value : valuesOf(value),
  );

/** The record with its numbers replaced, in the same order. */
const lift = (numbers: Leaves, next: () => Tensor | number): object =>
  Object.fromEntries(
    Object.entries(numbers)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, typeof value === "object" ? lift(value, next) : next()]),
  );

/** The names of a step's numbers, as plain data that two steps have in common exactly when their names are the same. */
export const layoutOf = (numbers: StepNumbers): StepNumbers =>
  lift(numbers as Leaves, () => 0) as StepNumbers;

/** The numbers of steps of one layout [rows, names]; the rows are one of few counts, so that a program serves many. */
export function tableOf(steps: readonly StepNumbers[]): Tensor {
  const rows = steps.map((numbers) => valuesOf(numbers as Leaves));
  const capacity = Math.max(64, 2 ** Math.ceil(Math.log2(rows.length)));
  const values = new Float32Array(capacity * rows[0].length);
  rows.forEach((row, i) => {
    values.set(row, i * row.length);
  });
  return tf.tensor2d(values, [capacity, rows[0].length]);
}

/** A row of such a table, under the names of its layout. */
export function numbersAt(table: Tensor, index: Tensor, layout: StepNumbers): Lifted<StepNumbers, Tensor> {
  const columns = tf.unstack(tf.gather(table, index));
  return lift(layout as Leaves, () => columns.shift() as Tensor) as Lifted<StepNumbers, Tensor>;
}
