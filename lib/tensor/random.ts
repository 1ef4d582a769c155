/**
 * Seeded random numbers on the host. A stream belongs to a seed, a purpose and an index, for example the noise of image
 * 17: what is drawn then depends neither on what was drawn before nor on how the work was cut into batches, processes or
 * interrupted runs.
 */
import { createHash } from "node:crypto";
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

let refusal: (() => never) | undefined;

/** Runs `body`, in which every draw calls `refuse`: what is drawn while a function is traced would be frozen. */
export function withoutDraws<T>(refuse: () => never, body: () => T): T {
  const outer = refusal;
  refusal = refuse;
  try {
    return body();
  } finally {
    refusal = outer;
  }
}

/** Makes the generator of a seed, a purpose and an index. */
export type Streams = (seed: number, purpose: string, index: number) => RandomGenerator;

function checkInteger(name: string, value: number): void {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${name} must be an integer, got ${value}`);
}

/**
 * The stream of a seed (any integer), a purpose (any name) and an index (any integer; default 0), independent of all
 * others. The generator's 128 bits of state are those of a hash of the three: raw seeds, few of whose bits are set,
 * give sequences that begin alike and take long to part.
 * @throws RangeError when seed or index is no integer.
 */
export function randomStream(seed: number, purpose: string, index = 0): RandomGenerator {
  checkInteger("seed", seed);
  checkInteger("index", index);
  const digest = createHash("sha256")
    .update(JSON.stringify([seed, purpose, index]))
    .digest();
  return generatorFrom(xoroshiro128plusFromState([0, 4, 8, 12].map((at) => digest.readInt32LE(at))));
}

/** A generator from a seed (any integer), or from a saved `state()`. */
export const randomGenerator = (seed: number | readonly number[]): RandomGenerator =>
  typeof seed === "number" ? randomStream(seed, "") : generatorFrom(xoroshiro128plusFromState([...seed]));

/** The streams of ditlab 0.1, whose generator took seeds as they are. Only runs that began with them still draw from them. */
export const streams01: Streams = (seed, purpose, index) =>
  generatorFrom(xoroshiro128plus(purpose === "epoch" ? seed * 1_000_003 + index : index));

function generatorFrom(source: ReturnType<typeof xoroshiro128plus>): RandomGenerator {
  const bits = (): number => {
    refusal?.();
    return source.next();
  };
  const uniform = (): number => (bits() >>> 8) / 0x1000000;
  const normal = (): number => {
    // Box-Muller, one of the pair: keeping the other would be state to save. 1 - u is never 0.
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    return radius * Math.cos(2 * Math.PI * uniform());
  };
  const integer = (limit: number): number => Math.floor(((bits() >>> 0) / 0x100000000) * limit);
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

/** Standard normal draws [generators, ...shape], each row from its own generator. */
export function stackNormals(generators: readonly RandomGenerator[], shape: number[]): Tensor {
  const size = tf.util.sizeFromShape(shape);
  const values = new Float32Array(generators.length * size);
  generators.forEach((generator, i) => {
    values.set(generator.normals(size), i * size);
  });
  return tf.tensor(values, [generators.length, ...shape]);
}
