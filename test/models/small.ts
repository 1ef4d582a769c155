/** The smallest transformer that tests share: 8x8 grey images as four tokens, two classes. */
import type { TransformerConfig } from "../../lib/models/index.ts";

export const SMALL_MODEL: TransformerConfig = {
  inputSize: 8,
  patchSize: 4,
  inChannels: 1,
  hiddenSize: 16,
  depth: 2,
  numHeads: 2,
  mlpRatio: 4,
  numClasses: 2,
  qkNorm: false,
};
