/** How many parts a batch is split into inside the compiled step. */
import { currentTarget } from "../jit/targets/index.ts";
import type { Task } from "./task.ts";

/** The largest tensor of a part, in bytes, of which a dozen stay in today's processors' caches. */
const LARGEST = 8 * 2 ** 20;
/** Tokens below which a part's matrix products, and the sums of its gradients, cost more than is gained. */
const FEWEST_TOKENS = 1024;

/**
 * The fewest parts whose largest activation (`network.activation` numbers a sample) fits the cache, as long as each has
 * some 1,000 tokens; one where a method compares the samples of a batch with each other, and on GPUs, which want much to
 * do at once. The same on every machine of a kind, so that a run can go on elsewhere and give the same numbers.
 */
export function microBatchesFor({ network, methods }: Task, batchSize: number): number {
  if (currentTarget() !== "cpu") return 1;
  if (methods.some(({ couplesSamples }) => couplesSamples)) return 1;
  const { tokens, activation } = network;
  const bytes = (samples: number): number => samples * activation * 4;
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
