/** How the numbers of a batch are drawn. */
import { type RandomGenerator, randomStream } from "../tensor/random.ts";

/** Draws for `count` examples of a batch, the first of which is number `from` in it: as many numbers for each. */
export type Draw = (random: RandomGenerator, count: number, from: number) => ArrayLike<number>;
/** Draws a batch's numbers for a purpose. */
export type Draws = (purpose: string, draw: Draw) => Float32Array<ArrayBuffer>;

/** Each example draws from a stream of its own, numbered by its place in the whole run. */
export const streamDraws =
  (seed: number, first: number, count: number): Draws =>
  (purpose, draw) => {
    let values = new Float32Array(0);
    for (let i = 0; i < count; i++) {
      const drawn = draw(randomStream(seed, purpose, first + i), 1, i);
      if (i === 0) values = new Float32Array(count * drawn.length);
      values.set(drawn, i * drawn.length);
    }
    return values;
  };
