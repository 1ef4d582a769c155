/** Seeded random numbers on the host whose state can be saved, so that a resumed run draws what an uninterrupted one would. */
import { xoroshiro128plus, xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import { type Tensor, tf } from "./tf.ts";

export interface RandomGenerator {
  /** Uniform in [0, 1) with 24 random bits, exactly representable in float32. */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /** Uniform integer in [0, limit). */
  integer(limit: number): number;
  /** `count` draws as float32. */
  uniforms(count: number): Float32Array<ArrayBuffer>;
  normals(count: number): Float32Array<ArrayBuffer>;
  /** A random order of 0 .. count-1 (Fisher-Yates). */
  permutation(count: number): Uint32Array<ArrayBuffer>;
  /** What `randomGenerator` needs to go on from here. */
  state(): number[];
}

/** A generator from a seed (any integer) or from a saved `state()`. */
export function randomGenerator(seed: number | readonly number[]): RandomGenerator {
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new RangeError(`seed must be an integer, got ${seed}`);
  }
  const source = typeof seed === "number" ? xoroshiro128plus(seed) : xoroshiro128plusFromState([...seed]);
  const uniform = (): number => (source.next() >>> 8) / 0x1000000;
  const normal = (): number => {
    // Box-Muller, one of the pair: keeping the other would be state to save. 1 - u is never 0.
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  };
  const integer = (limit: number): number => Math.floor(((source.next() >>> 0) / 0x100000000) * limit);
  return {
    uniform,
    normal,
    integer,
    uniforms: (count) => Float32Array.from({ length: count }, uniform),
    normals: (count) => {
      const values = new Float32Array(count);
      for (let i = 0; i < count; i += 2) {
        const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
        const angle = 2 * Math.PI * uniform();
        values[i] = radius * Math.cos(angle);
        if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
      }
      return values;
    },
    permutation: (count) => {
      const order = Uint32Array.from({ length: count }, (_, i) => i);
      for (let i = count - 1; i > 0; i--) {
        const j = integer(i + 1);
        [order[i], order[j]] = [order[j], order[i]];
      }
      return order;
    },
    state: () => [...source.getState()],
  };
}

/** A float32 tensor of standard normal draws. */
export const normalTensor = (random: RandomGenerator, shape: number[]): Tensor =>
  tf.tensor(random.normals(tf.util.sizeFromShape(shape)), shape, "float32");
