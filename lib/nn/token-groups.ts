/**
 * Attention of tokens that see their own group alone. Where all samples have groups of the same sizes, the tokens stand
 * group by group while the blocks run, so that each group's attention is an ordinary one of fewer tokens: no mask, no
 * scores [B,heads,T,T], and less to compute than without groups.
 */
import { type Tensor, tf } from "../tensor/tf.ts";
import { multiHeadAttention } from "./attention.ts";
import { withGradient } from "./fused.ts";

/** A permutation of each sample's tokens after which they stand group by group. */
export interface TokenGroups {
  /** The token at each place, int32 [B,T]. */
  readonly order: Tensor;
  /** The place of each token, int32 [B,T]. */
  readonly places: Tensor;
  /** Tokens of each group, in every sample; they add up to T. */
  readonly sizes: readonly number[];
}

/** Tokens of x [B,T,D] by their indices [B,T]. */
function taken(x: Tensor, indices: Tensor): Tensor {
  const [batch, tokens, width] = x.shape;
  // Rows of one table: the first sample's tokens, then the second's.
  const first = tf.reshape(tf.mul(tf.range(0, batch, 1, "int32"), tf.scalar(tokens, "int32")), [batch, 1]);
  const rows = tf.reshape(tf.add(indices, first), [-1]);
  return tf.reshape(tf.gather(tf.reshape(x, [batch * tokens, width!]), rows), x.shape);
}

/** x [B,T,D] in another order; its gradient comes back in the old one. */
const reordered = (x: Tensor, indices: Tensor, inverse: Tensor): Tensor =>
  withGradient(
    ([x], save) => {
      save([inverse]);
      return { value: taken(x, indices), gradFunc: (dy, [inverse]) => taken(dy, inverse) };
    },
    [x],
  );

/** Tokens [B,T,D] group by group. */
export const byGroup = (x: Tensor, { order, places }: TokenGroups): Tensor => reordered(x, order, places);
/** And back. */
export const asTheyWere = (x: Tensor, { order, places }: TokenGroups): Tensor => reordered(x, places, order);

/** Attention in heads of tokens that stand group by group: q, k, v [B,T,D] -> [B,T,D]. */
export function groupedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  heads: number,
  sizes: readonly number[],
): Tensor {
  if (sizes.length === 1) return multiHeadAttention(q, k, v, heads);
  const [queries, keys, values] = [q, k, v].map((x): Tensor[] => tf.split(x, [...sizes], 1));
  return tf.concat(
    sizes.map((_, i) => multiHeadAttention(queries[i], keys[i], values[i], heads)),
    1,
  );
}

/** @throws where groups do not fit the tokens of a batch */
export function checkGroups({ order, places, sizes }: TokenGroups, batch: number, tokens: number): void {
  for (const [name, { shape, dtype }] of Object.entries({ order, places }))
    if (`${shape}` !== `${[batch, tokens]}` || dtype !== "int32")
      throw new Error(
        `the ${name} of token groups must be int32 [${batch},${tokens}], got ${dtype} [${shape}]`,
      );
  if (
    sizes.some((size) => !(Number.isInteger(size) && size > 0)) ||
    sizes.reduce((a, b) => a + b, 0) !== tokens
  )
    throw new Error(`the sizes of token groups must be positive and add up to ${tokens}, got ${sizes}`);
}
