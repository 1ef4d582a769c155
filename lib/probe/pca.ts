/** What tokens know, as colours: their features' first three principal components, red, green and blue. */
import { PCA } from "ml-pca";
import { type NdArray, ndarray } from "../io/index.ts";
import type { TokenFeatures } from "./features.ts";

const COLORS = 3;

/** Projections [rows, 3] of rows of features on their first principal components; the sign makes the largest weight positive. */
function projections(data: Float32Array, width: number): Float64Array {
  const count = data.length / width;
  const rows = Array.from({ length: count }, (_, i) => Array.from(data.subarray(i * width, (i + 1) * width)));
  const components = Math.min(COLORS, width, count - 1);
  const pca = new PCA(rows, { method: "NIPALS", nCompNIPALS: components });
  const projected = pca.predict(rows, { nComponents: components });
  const loadings = pca.getLoadings();
  const result = new Float64Array(count * COLORS);
  for (let c = 0; c < components; c++) {
    let largest = 0;
    for (let j = 0; j < width; j++)
      if (Math.abs(loadings.get(c, j)) > Math.abs(largest)) largest = loadings.get(c, j);
    for (let i = 0; i < count; i++) result[i * COLORS + c] = Math.sign(largest) * projected.get(i, c);
  }
  return result;
}

/** Stretches each colour to 0 .. 1; one that is the same everywhere becomes a half. */
function stretched(values: Float64Array): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values.length);
  for (let c = 0; c < COLORS; c++) {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let i = c; i < values.length; i += COLORS)
      [low, high] = [Math.min(low, values[i]), Math.max(high, values[i])];
    for (let i = c; i < values.length; i += COLORS)
      result[i] = high > low ? (values[i] - low) / (high - low) : 0.5;
  }
  return result;
}

/**
 * Tokens' features as pictures [count, side, side, 3], from 0 to 1: where colours are alike, so is what the block knows.
 * `joint` takes the components, and the range of colours, of all images together, so that a colour means the same in each;
 * otherwise each image has its own.
 * @throws where the tokens are no square
 */
export function pcaColors(
  { data, count, tokens, width }: TokenFeatures,
  { joint = true }: { joint?: boolean } = {},
): NdArray<"float32"> {
  const side = Math.round(Math.sqrt(tokens));
  if (side * side !== tokens) throw new RangeError(`pictures need a square of tokens, got ${tokens} of them`);
  const shape = [count, side, side, COLORS];
  if (joint) return ndarray(stretched(projections(data, width)), shape);
  const colors = new Float32Array(count * tokens * COLORS);
  for (let i = 0; i < count; i++) {
    const own = data.subarray(i * tokens * width, (i + 1) * tokens * width);
    colors.set(stretched(projections(own, width)), i * tokens * COLORS);
  }
  return ndarray(colors, shape);
}
