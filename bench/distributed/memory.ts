/**
 * What each rank needs of memory, with the optimizer's state whole and in shards, on latents of noise:
 *
 *     mpirun -n 2 node --import tsx bench/distributed/memory.ts [--shard] [--preset sit-b-2-imagenet256] [--sra]
 */
import { parseArgs } from "node:util";
import { joinRanks } from "../../lib/distributed/index.ts";
import { paperConfig } from "../../lib/experiments/index.ts";
import { makeTask, training } from "../../lib/train/index.ts";
import { syntheticData } from "../../lib/train/synthetic.ts";

const { values } = parseArgs({
  options: {
    shard: { type: "boolean", default: false },
    sra: { type: "boolean", default: false },
    preset: { type: "string", default: "sit-s-2-imagenet256" },
  },
});
const ranks = joinRanks();
const config = {
  ...paperConfig(values.preset, values.sra ? ["sra"] : []),
  ...{ batchSize: 4, microBatches: 4, steps: 4 },
};
const run = training(config, syntheticData(makeTask(config)), {
  ...(ranks && { ranks, shardOptimizer: values.shard }),
});
const kept: number[] = [];
for await (const _ of run) {
  (globalThis as { gc?: () => void }).gc?.();
  kept.push(process.memoryUsage().rss);
}
const megabytes = (bytes: number): number => Math.round(bytes / 1e6);
console.log(
  JSON.stringify({
    ...{ rank: ranks?.rank ?? 0, ranks: ranks?.size ?? 1, shard: values.shard, sra: values.sra },
    ...{ afterStep: megabytes(kept.at(-1)!), most: megabytes(1024 * process.resourceUsage().maxRSS) },
  }),
);
await ranks?.close();
