/** Random groups of an image's tokens, of exact sizes: how they are drawn, and what follows from a draw. */
import { z } from "../schema.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

const positiveRatio = z.number("a number above 0").gt(0, "a number above 0");
export const groupRatios = z
  .array(positiveRatio, "a list of numbers above 0")
  .min(1, "a list of at least one")
  .describe("How the tokens of an image are shared out among random groups; divided by their sum.");

/**
 * Tokens of each group: of each ratio's share the whole part, and what is left over goes to the largest fractions, of equal
 * ones to the first.
 */
export function groupSizes(ratios: readonly number[], tokens: number): number[] {
  const sum = ratios.reduce((a, b) => a + b, 0);
  const shares = ratios.map((ratio) => (ratio / sum) * tokens);
  const sizes = shares.map(Math.floor);
  const left = tokens - sizes.reduce((a, b) => a + b, 0);
  const byFraction = shares
    .map((share, i) => ({ i, fraction: share - sizes[i] }))
    .sort((a, b) => b.fraction - a.fraction || a.i - b.i);
  for (const { i } of byFraction.slice(0, left)) sizes[i]++;
  return sizes;
}

/** A random order of the tokens, and behind it the place of each token in it: 2 T numbers. */
export function drawOrder(random: RandomGenerator, tokens: number): number[] {
  const order = random.permutation(tokens);
  const places = new Array<number>(tokens);
  for (const [place, token] of order.entries()) places[token] = place;
  return [...order, ...places];
}

/** Of each group, 1 where a token belongs to it and 0 elsewhere, [B,T], by the tokens' places [B,T]. */
export function membersOf(places: Tensor, sizes: readonly number[]): Tensor[] {
  let from = 0;
  return sizes.map((size) => {
    const [first, end] = [from, from + size];
    from = end;
    const within = tf.logicalAnd(tf.greater(places, first - 0.5), tf.less(places, end - 0.5));
    return tf.cast(within, "float32");
  });
}

/** What each token gets of what its group has: values [B,groups] -> [B,T]. */
export function ofGroup(members: readonly Tensor[], values: Tensor): Tensor {
  const columns: Tensor[] = tf.split(values, members.length, 1);
  return tf.addN(members.map((member, i) => tf.mul(member, columns[i])));
}

/** Which tokens are of one group, bool [B,T,T]. */
export function together(members: readonly Tensor[]): Tensor {
  const pairs = members.map((member) => tf.mul(tf.expandDims(member, 2), tf.expandDims(member, 1)));
  return tf.greater(tf.addN(pairs), 0.5);
}
