/** How wide the arrays between kernels are, and what products may round. */

/**
 * All is summed in float32. A bfloat16 has a float32's range and 8 bits of its digits, a float16 11 bits and less range: in
 * both, arrays between kernels are as wide, and factors of products. In tf32 factors alone are rounded, to 11 bits, where a
 * GPU has products of them.
 */
export const PRECISIONS = ["float32", "tf32", "bfloat16", "float16"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** How wide numbers lie between kernels. */
export type Storage = Exclude<Precision, "tf32">;
export const storageOf = (precision: Precision): Storage => (precision === "tf32" ? "float32" : precision);

export function checkPrecision(precision: string): void {
  if (!(PRECISIONS as readonly string[]).includes(precision))
    throw new RangeError(`precision must be one of ${PRECISIONS.join(", ")}, got '${precision}'`);
}
