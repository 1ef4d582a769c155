/** Where the noise of generated images comes from: given, or drawn from each image's own stream. */
import type { NdArray } from "../io/index.ts";
import { randomStream } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tf.ts";

export interface NoiseOptions {
  /**
   * Image i draws its noise from the stream of `seed` and i: it does not depend on the batch. A list has a seed for each
   * image, which is then the first of that seed. Default 0.
   */
  seed?: number | readonly number[];
  /** Number of the first image, so that a run can be cut into parts. Default 0. */
  first?: number;
  /** The noise to begin with [count,C,H,W], in place of the seed's. */
  latents?: Tensor | NdArray<"float32">;
  /** The noise of each step that draws it [steps,count,C,H,W], in place of the seed's. */
  noise?: Tensor | NdArray<"float32">;
}

const numbersOf = async (given: Tensor | NdArray<"float32">): Promise<Float32Array> =>
  "data" in given && typeof given.data !== "function"
    ? given.data
    : ((await (given as Tensor).data()) as Float32Array);

/**
 * For some of `count` images of `size` numbers, a function whose first call gives the noise that they begin with, and the
 * others that of the steps that draw it, in turn. Images beyond the last are copies of it, whose noise nobody looks at.
 */
export async function noiseSource(
  { seed = 0, first = 0, latents, noise }: NoiseOptions,
  count: number,
  size: number,
): Promise<(images: number[]) => () => Float32Array> {
  const [start, perStep] = await Promise.all([latents, noise].map((given) => given && numbersOf(given)));
  return (images) => {
    const streams = images.map((i) =>
      typeof seed === "number"
        ? randomStream(seed, "sample", first + i)
        : randomStream(seed[Math.min(i, count - 1)], "sample", 0),
    );
    let drawn = 0;
    return () => {
      // Streams go on where they would have, whatever is given: the seed's own latents give the seed's images.
      const rows = streams.map((stream) => stream.normals(size));
      const given = drawn === 0 ? start : perStep;
      const before = drawn === 0 ? 0 : (drawn - 1) * count;
      drawn++;
      const values = new Float32Array(images.length * size);
      images.forEach((image, i) => {
        const at = (before + Math.min(image, count - 1)) * size;
        values.set(given ? given.subarray(at, at + size) : rows[i], i * size);
      });
      return values;
    };
  };
}
