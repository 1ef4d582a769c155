/** What networks weigh and cost, counted as the papers count. */
import type { TransformerConfig } from "./config.ts";
import { makeNetwork, type NetworkConfig } from "./make.ts";
import type { MMDiTConfig } from "./mmdit-config.ts";
import { FREQUENCIES } from "./parts.ts";

/** The number of parameters, fixed tables included, as the papers count. */
export const parameterCount = (config: NetworkConfig): number =>
  Object.values(makeNetwork(config).shapes).reduce(
    (sum, shape) => sum + shape.reduce((product, d) => product * d, 1),
    0,
  );

/**
 * Multiply-adds of a forward pass of one sample, which the papers call Gflops when divided by 1e9:
 * those of matrix products, two floating-point operations each.
 */
export const forwardMultiplyAdds = (config: NetworkConfig): number =>
  config.type === "mmdit" ? ofMMDiT(config) : ofTransformer(config);

/** Of a token in a block's own layers: queries, keys, values, what follows the attention, and the two of the MLP. */
const ofToken = (d: number, mlpRatio: number): number => 4 * d * d + 2 * d * Math.trunc(d * mlpRatio);

function ofTransformer(config: TransformerConfig): number {
  const { depth, hiddenSize: d, patchSize: p, inputSize, inChannels, mlpRatio } = config;
  const { outChannels = inChannels } = config;
  const tokens = (inputSize / p) ** 2;
  const attention = 2 * tokens * tokens * d;
  const block = tokens * ofToken(d, mlpRatio) + attention + 6 * d * d;
  const embedding = tokens * p * p * inChannels * d + FREQUENCIES * d + d * d;
  const final = 2 * d * d + tokens * d * p * p * outChannels;
  return embedding + depth * block + final;
}

function ofMMDiT(config: MMDiTConfig): number {
  const {
    depth,
    hiddenSize: d,
    patchSize: p,
    inputSize,
    inChannels,
    mlpRatio,
    textTokens,
    textWidth,
  } = config;
  const tokens = (inputSize / p) ** 2;
  const all = tokens + textTokens;
  const attention = 2 * all * all * d;
  const block = all * ofToken(d, mlpRatio) + attention + 12 * d * d;
  // Of the text the last block makes queries, keys and values alone.
  const saved = textTokens * (ofToken(d, mlpRatio) - 3 * d * d) + 4 * d * d;
  const embedding = tokens * p * p * inChannels * d + textTokens * textWidth * d + FREQUENCIES * d + d * d;
  const final = 2 * d * d + tokens * d * p * p * inChannels;
  return embedding + depth * block - saved + final;
}
