/** The kernel distance between sets of features: KID where they are Inception's (Binkowski et al. 2018). */
import { gemm } from "../jit/targets/onnxruntime/gemm.ts";
import { randomGenerator } from "../tensor/random.ts";
import { checkFeatures, checkSameSize, type Features } from "./features.ts";

export interface KernelDistanceOptions {
  /** Pairs of random subsets. Default: 100. */
  subsets?: number;
  /** Rows of a subset, at most those of the smaller set. Default: 1000. */
  subsetSize?: number;
  /** Of the choice of rows. Default: 0. */
  seed?: number;
}

export interface KernelDistance {
  /** Mean over the subsets; unbiased, so that it may be below 0 for equal distributions. */
  mean: number;
  /** Standard deviation over the subsets. */
  deviation: number;
}

/**
 * The unbiased estimate of the squared maximum mean discrepancy with the kernel `(x y / size + 1)^3` (equation 4), over
 * random subsets drawn without replacement.
 * @throws when the sizes differ, a set has fewer than two rows or holds NaN or infinite values.
 */
export async function kernelDistance(
  reference: Features,
  samples: Features,
  { subsets = 100, subsetSize = 1000, seed = 0 }: KernelDistanceOptions = {},
): Promise<KernelDistance> {
  checkFeatures(reference, "reference features", 2);
  checkFeatures(samples, "sample features", 2);
  checkSameSize(reference, "reference features", samples, "sample features");
  const { size } = reference;
  const rows = Math.min(subsetSize, reference.count, samples.count);
  const products = await gemm({ m: rows, n: rows, k: size, transposeB: true });
  const random = randomGenerator(seed);
  const [x, y] = [new Float64Array(rows * size), new Float64Array(rows * size)];
  const out = new Float64Array(rows * rows);
  /** Sum of the kernel over all pairs, or those of different rows. */
  const kernelSum = async (a: Float64Array, b: Float64Array, diagonal: boolean): Promise<number> => {
    await products.run(a, b, out);
    let sum = 0;
    for (let at = 0; at < out.length; at++) sum += cubed(out[at] / size + 1);
    // Rows beside themselves, of which only pairs of different ones are wanted.
    if (!diagonal) for (let i = 0; i < rows; i++) sum -= cubed(out[i * (rows + 1)] / size + 1);
    return sum;
  };
  try {
    const values: number[] = [];
    for (let subset = 0; subset < subsets; subset++) {
      choose(reference, random.permutation(reference.count), x);
      choose(samples, random.permutation(samples.count), y);
      const within = (await kernelSum(x, x, false)) + (await kernelSum(y, y, false));
      const between = await kernelSum(x, y, true);
      values.push(within / (rows * (rows - 1)) - (2 * between) / (rows * rows));
    }
    const mean = values.reduce((sum, value) => sum + value, 0) / subsets;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return { mean, deviation: Math.sqrt(squares / subsets) };
  } finally {
    products.dispose();
  }
}

/** Far faster than the power. */
const cubed = (value: number): number => value * value * value;

/** The first rows of an order. */
function choose({ data, size }: Features, order: ArrayLike<number>, into: Float64Array): void {
  const rows = into.length / size;
  for (let i = 0; i < rows; i++) into.set(data.subarray(order[i] * size, (order[i] + 1) * size), i * size);
}
