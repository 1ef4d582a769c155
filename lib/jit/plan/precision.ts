/** How wide the arrays between kernels are, and with that what products may round. */

/** All is summed in float32. A bfloat16 has a float32's range and 8 bits of its digits, a float16 11 bits and less range. */
export const PRECISIONS = ["float32", "bfloat16", "float16"] as const;
export type Precision = (typeof PRECISIONS)[number];

export function checkPrecision(precision: string): void {
  if (!(PRECISIONS as readonly string[]).includes(precision))
    throw new RangeError(`precision must be one of ${PRECISIONS.join(", ")}, got '${precision}'`);
}
