/** How many parts a batch is split into inside the compiled step. */
import type { TransformerConfig } from "../models/transformer.ts";

/** The largest tensor of a part, in bytes, of which a dozen stay in today's processors' caches. */
const LARGEST = 8 * 2 ** 20;
/** Tokens below which a part's matrix products, and the sums of its gradients, cost more than is gained. */
const FEWEST_TOKENS = 1024;

/**
 * The fewest parts whose largest activation (tokens x mlpRatio x width) fits the cache, as long as each has some 1,000
 * tokens. The same on every machine, so that a run can go on elsewhere and give the same numbers.
 */
export function microBatchesFor(model: TransformerConfig, batchSize: number): number {
  const tokens = (model.inputSize / model.patchSize) ** 2;
  const bytes = (samples: number): number => samples * tokens * model.mlpRatio * model.hiddenSize * 4;
  let best = 1;
  for (let parts = 1; parts <= batchSize; parts++) {
    const samples = batchSize / parts;
    if (!Number.isInteger(samples)) continue;
    if (parts > 1 && samples * tokens < FEWEST_TOKENS) break;
    best = parts;
    if (bytes(samples) <= LARGEST) break;
  }
  return best;
}
