/** Training batches: examples in the data's order, and the numbers that a step draws. */
import type { Batch } from "../align/index.ts";
import { drawLatents } from "../data/examples.ts";
import { asTrainingData, type Examples, type ImageSet, type TrainingData } from "../data/index.ts";
import { type RandomGenerator, streams01 } from "../tensor/random.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree, tidyTree } from "../tensor/tree.ts";
import type { TrainConfig } from "./config.ts";
import { type Draws, streamDraws } from "./draws.ts";
import { draws01 } from "./legacy.ts";
import { makeTask } from "./make-task.ts";
import type { Task } from "./task.ts";

export interface BatchOptions {
  /** Default: what the config says. */
  task?: Task;
  /** Of a run that ditlab 0.1 began, whose steps drew one after the other from one generator. */
  generator01?: RandomGenerator;
  /** The samples of each step's batch that are wanted: the first, and how many. Default: all. */
  share?: { readonly from: number; readonly count: number };
}

/** From a step number (from 0) to its batch. */
export interface BatchSource {
  (step: number): Promise<Batch>;
  /** Begins the batch of a step that will be asked for next, so that it is drawn while a GPU computes. */
  ahead(step: number): void;
  /** Gives up what was begun. */
  dispose(): Promise<void>;
}

/**
 * Returns a function from a step number (from 0) to its batch, which is a function of seed, step and data alone: latents,
 * noise, times, dropped conditions and what methods draw come from a stream for each example and purpose, so that runs
 * with and without a method see the same. The next step's examples are read while a step runs.
 */
export function batchSource(
  images: ImageSet | TrainingData,
  config: Pick<TrainConfig, "model" | "process" | "methods" | "seed" | "batchSize" | "classDropout"> & {
    steps?: number;
  },
  { task = makeTask(config), generator01, share }: BatchOptions = {},
): BatchSource {
  const data = asTrainingData(images);
  const { batchSize, seed, steps = Number.POSITIVE_INFINITY } = config;
  const { from, count } = share ?? { from: 0, count: batchSize };
  const first = (step: number): number => step * batchSize + from;
  let ahead: { step: number; examples: Promise<Examples> } | undefined;
  let begun: { step: number; batch: Promise<Batch> } | undefined;
  const read = (step: number): Promise<Examples> =>
    data.read(seed, first(step), count, generator01 && streams01);
  const make = async (step: number): Promise<Batch> => {
    const examples = await (ahead?.step === step ? ahead.examples : read(step));
    if (step + 1 < steps) {
      ahead = { step: step + 1, examples: read(step + 1) };
      // A run may end, or fail, before it is asked for.
      ahead.examples.catch(() => {});
    }
    const { classDropout } = config;
    if (!generator01)
      return batchOf(task, data, examples, classDropout, streamDraws(seed, first(step), count));
    const draw = draws01(generator01, batchSize);
    const batch = batchOf(task, data, examples, classDropout, draw);
    draw.end();
    return batch;
  };
  const dispose = async (): Promise<void> => {
    const batch = begun?.batch.catch(() => undefined);
    begun = undefined;
    disposeTree(await batch);
  };
  const next = async (step: number): Promise<Batch> => {
    if (begun?.step !== step) {
      await dispose();
      return make(step);
    }
    const { batch } = begun;
    begun = undefined;
    return batch;
  };
  return Object.assign(next, {
    dispose,
    ahead(step: number): void {
      // One generator is at the place that a checkpoint of the step before remembers.
      if (generator01 || step >= steps || begun) return;
      begun = { step, batch: make(step) };
      begun.batch.catch(() => {});
    },
  });
}

const rowOf = (drawn: number | ArrayLike<number>): number[] =>
  typeof drawn === "number" ? [drawn] : Array.from(drawn);

/** The batch of some examples. */
function batchOf(
  task: Task,
  { name, shape, scale, arrays: shapes = {} }: TrainingData,
  { values, labels, arrays = {} }: Examples,
  dropout: number,
  draw: Draws,
): Batch {
  const { network, process, methods } = task;
  const count = labels.length;
  // A compiled step would fail within, and with it goes the state that it writes over.
  const wrong =
    network.classes > 0 ? labels.findIndex((label) => !(label >= 0 && label < network.classes)) : -1;
  if (wrong >= 0)
    throw new Error(
      `${name} have the label ${labels[wrong]}; expected 0 to ${network.classes - 1}, as the model has it`,
    );
  const size = values.length / count;
  const images = [count, ...shape];
  const x =
    scale === undefined
      ? values
      : draw("latent", (random, n, from) =>
          drawLatents(values.subarray(from * size, (from + n) * size), random, n, scale),
        );
  const t = draw("time", (random, n) => process.drawTimes(random, n));
  const noise = draw("noise", (random, n) => random.normals((x.length / count) * n));
  const dropped = draw("class dropout", (random, n) =>
    Array.from({ length: n }, () => (random.uniform() < dropout ? 1 : 0)),
  );
  const named: Record<string, Tensor> = {};
  for (const [array, row] of Object.entries(shapes)) named[array] = tf.tensor(arrays[array], [count, ...row]);
  const seen = new Map<string, number>();
  const drawn = methods.map(({ draws = {} }) => {
    const own = Object.entries(draws).map(([what, one]): [string, Tensor] => {
      // A second method of a kind draws for itself.
      const before = seen.get(what) ?? 0;
      seen.set(what, before + 1);
      const purpose = before === 0 ? what : `${what} ${before + 1}`;
      const values = draw(purpose, (random, n) => Array.from({ length: n }, () => rowOf(one(random))).flat());
      return [what, tf.tensor(values, values.length === count ? [count] : [count, values.length / count])];
    });
    return Object.fromEntries(own);
  });
  return {
    x: tf.tensor(x, images),
    noise: tf.tensor(noise, images),
    t: tf.tensor1d(t),
    // A network without classes has no use for labels.
    condition: tidyTree(() => network.conditionOf(tf.tensor1d(Int32Array.from(labels), "int32"), named)),
    ...(dropout > 0 && { dropped: tf.tensor1d(Array.from(dropped, Boolean), "bool") }),
    ...(Object.keys(named).length > 0 && { arrays: named }),
    ...(drawn.length > 0 && { draws: drawn }),
  };
}

/** Arrays of every image that a task needs, by name, with the shape of one image's. */
export const neededArrays = ({ network, methods }: Task): Record<string, readonly number[]> =>
  Object.assign({}, network.arrays, ...methods.map(({ arrays }) => arrays ?? {}));
