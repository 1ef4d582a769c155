/** Which forms of products a device has been measured to be the fastest with. */
import type { MatrixShape, ProductChoice, ProductDevice, ProductSize } from "../../plan/forms.ts";

/** A size, in a precision. */
export const keyOf = (
  { rows, columns, depth, batch, transA, transB }: ProductSize,
  matrices: MatrixShape | undefined,
): string =>
  `${batch} ${rows}x${depth}${transA ? "t" : ""} ${depth}x${columns}${transB ? "t" : ""}${matrices ? `${BY_MATRICES}${matrices.format}` : ""}`;

const BY_MATRICES = " matrices of ";
/** Whether a key is of products by matrices. */
export const isByMatrices = (key: string): boolean => key.includes(BY_MATRICES);

/** What is known of a device: the fastest choice by size. */
export interface Tuning {
  readonly known: Map<string, ProductChoice>;
  /** Files that have been read. */
  readonly read: Set<string>;
  /** What could not be timed. */
  readonly untimed: Set<string>;
  /** Ends when nobody times: one does at a time, as they would slow each other down. */
  turn: Promise<void>;
  /** Smaller products take no time that counts. */
  minFlops: number;
}

const tunings = new Map<string, Tuning>();
/** What is known of a device by its name: one that is opened anew after a loss goes on with the same forms. */
export function tuningOf(name: string): Tuning {
  const tuning = tunings.get(name) ?? newTuning();
  tunings.set(name, tuning);
  return tuning;
}

export const newTuning = (): Tuning => ({
  known: new Map(),
  read: new Set(),
  untimed: new Set(),
  turn: Promise.resolve(),
  minFlops: 2 ** 27,
});

/** A device whose products take the forms that have been measured. */
export const withTuning = (products: ProductDevice, { known }: Tuning): ProductDevice => ({
  ...products,
  measured: products.measured ?? ((size) => known.get(keyOf(size, products.matrices))),
});
