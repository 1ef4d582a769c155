/** Which forms of products a device has been measured to be the fastest with. */
import type { ProductChoice, ProductDevice, ProductSize } from "../../plan/forms.ts";

/** A size, in a precision. */
export const keyOf = (
  { rows, columns, depth, batch, transA, transB }: ProductSize,
  byMatrices: boolean,
): string =>
  `${batch} ${rows}x${depth}${transA ? "t" : ""} ${depth}x${columns}${transB ? "t" : ""}${byMatrices ? " matrices" : ""}`;

/** What is known of a device: the fastest choice by size. */
export interface Tuning {
  readonly known: Map<string, ProductChoice>;
  /** Whether what is on disk has been read. */
  isRead: boolean;
  /** Smaller products take no time that counts. */
  minFlops: number;
}

export const newTuning = (): Tuning => ({ known: new Map(), isRead: false, minFlops: 2 ** 27 });

/** A device whose products take the forms that have been measured. */
export const withTuning = (products: ProductDevice, { known }: Tuning): ProductDevice => ({
  ...products,
  measured: products.measured ?? ((size) => known.get(keyOf(size, products.matrices !== undefined))),
});
