/** A rank of a small training, which says what its state came to. */

import { imageSetData } from "../../lib/data/index.ts";
import { joinRanks } from "../../lib/distributed/rank-process.ts";
import { fingerprint } from "../../lib/fingerprint.ts";
import { type TargetName, useTarget } from "../../lib/jit/targets/index.ts";
import { flattenTree } from "../../lib/tensor/index.ts";
import { type TrainConfig, train } from "../../lib/train/index.ts";
import { smallConfig, smallImages } from "../train/small.ts";

const {
  folder,
  change,
  resume,
  shardOptimizer,
  images,
  broken = Number.NaN,
  target = "cpu",
} = JSON.parse(process.argv[2]) as {
  folder: string;
  change: Partial<TrainConfig>;
  resume?: boolean;
  shardOptimizer?: boolean;
  /** Other ones for a rank. */
  images?: Record<string, number>;
  /** The place in the run of an example that has a pixel which is no number. */
  broken?: number;
  target?: TargetName;
};
useTarget(target);
const ranks = joinRanks();
const rank = ranks?.rank ?? 0;
const data = imageSetData(smallImages(images?.[rank] ?? 50));
const notes: string[] = [];
try {
  const result = await train(smallConfig(change as object), {
    folder,
    images: {
      ...data,
      async read(seed, position, count, streams) {
        const examples = await data.read(seed, position, count, streams);
        if (broken >= position && broken < position + count)
          examples.values[(broken - position) * 64] = Number.NaN;
        return examples;
      },
    },
    resume,
    onWarning: (note) => notes.push(note),
    ...(ranks && { ranks, shardOptimizer }),
  });
  // In shards the rest is another part on each.
  const leaves = flattenTree(shardOptimizer ? result.state.params : result.state);
  const content = await Promise.all(leaves.map(async ({ path, tensor }) => [path, await tensor.data()]));
  const state = fingerprint(content.flat() as (string | Float32Array)[]);
  const moments = Object.values(result.state.optimizer.first).reduce((sum, { size }) => sum + size, 0);
  console.log(JSON.stringify({ rank, step: result.step, state, moments, notes }));
} catch (error) {
  console.log(JSON.stringify({ rank, error: (error as Error).message }));
}
await ranks?.close();
