/** How far two tensors are from each other: what a formula written by hand is held against the library with. */
import type { Tensor } from "./tf.ts";

/** The largest absolute difference of two tensors of one shape; NaN where one of them holds a NaN. @throws on other shapes */
export async function largestDifference(a: Tensor, b: Tensor): Promise<number> {
  if (`${a.shape}` !== `${b.shape}`)
    throw new RangeError(`tensors to compare must have one shape, got [${a.shape}] and [${b.shape}]`);
  const [x, y] = await Promise.all([a.data(), b.data()]);
  let largest = 0;
  for (let i = 0; i < x.length; i++) {
    const difference = x[i] === y[i] ? 0 : Math.abs(x[i] - y[i]);
    if (Number.isNaN(difference)) return Number.NaN;
    if (difference > largest) largest = difference;
  }
  return largest;
}

/**
 * The largest difference of two tensors that should be the same.
 * @param what names them in the error
 * @throws RangeError where it is more than `tolerance`, or NaN
 */
export async function assertClose(
  what: string,
  actual: Tensor,
  expected: Tensor,
  tolerance = 1e-5,
): Promise<number> {
  const difference = await largestDifference(actual, expected);
  if (!(difference <= tolerance))
    throw new RangeError(
      `${what}: expected within ${tolerance} of the other, got a difference of ${difference}`,
    );
  return difference;
}
