/** What a training step takes, made up: how long a step takes, and what it needs, does not depend on the numbers. */
import type { Batch } from "../align/index.ts";
import type { TrainingData } from "../data/index.ts";
import { sizeOf } from "../tensor/params.ts";
import { randomStream } from "../tensor/random.ts";
import { tf } from "../tensor/tf.ts";
import { batchSource, neededArrays } from "./batches.ts";
import type { TrainConfig } from "./config.ts";
import { makeTask } from "./make-task.ts";
import type { StepScalars } from "./step.ts";
import type { Task } from "./task.ts";

/** Noise in the place of images, with all arrays that a task needs. */
export function syntheticData(task: Task): TrainingData {
  const shapes = neededArrays(task);
  return {
    name: "made-up images",
    count: 2 ** 20,
    shape: task.network.input,
    classes: task.network.classes,
    arrays: shapes,
    async read(seed, position, count) {
      const random = randomStream(seed, "synthetic", position);
      const noise = (shape: readonly number[]): Float32Array => random.normals(count * sizeOf(shape));
      return {
        values: noise(task.network.input),
        labels: new Array(count).fill(0),
        indices: Array.from({ length: count }, (_, i) => i),
        arrays: Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, noise(shape)])),
      };
    },
    async close() {},
  };
}

/** A batch of noise, with the times and all else that training on it draws. */
export function syntheticBatch(config: TrainConfig, size: number): Promise<Batch> {
  const task = makeTask(config);
  return batchSource(syntheticData(task), { ...config, batchSize: size }, { task })(0);
}

/** A step's scalars. */
export const syntheticScalars = ({ methods }: Pick<TrainConfig, "methods">): StepScalars => ({
  learningRate: tf.scalar(1e-4),
  weights: methods.map(() => tf.scalar(0.2)),
  emaDecay: tf.scalar(0.9999),
});
