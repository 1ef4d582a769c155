/** What a training run will take, before it is started. */
import type { Batch } from "../align/index.ts";
import { jit } from "../jit/index.ts";
import { type Params, sizeOf } from "../tensor/params.ts";
import { tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import type { TrainConfig } from "./config.ts";
import { makeTask } from "./make-task.ts";
import { microBatchesFor } from "./micro-batches.ts";
import { median } from "./recorder.ts";
import { initTrainState, type StepOptions, type StepScalars, type TrainState, trainStep } from "./step.ts";
import { syntheticBatch, syntheticScalars } from "./synthetic.ts";
import { hasFrozenTeacher, isAveraged, isTrained, type Task, taskShapes } from "./task.ts";

export interface TrainPlan {
  /** All parameters, the fixed position embedding included. */
  parameters: number;
  /** Bytes. */
  memory: {
    /** The student's and the teachers' parameters. */
    weights: number;
    /** AdamW's two moments. */
    optimizer: number;
    /** The most that lies between at once, gradients included: an estimate, for nodes in the order of the trace. */
    activations: number;
  };
  /** Runs of a step, and parts of a run that come one after the other. */
  accumulate: number;
  microBatches: number;
  /** Floating-point operations of a step: of its matrix products. */
  flopsPerStep: number;
  steps: number;
}

/** Samples that pass through the network at once. */
const partSize = (
  task: Task,
  { batchSize, accumulate = 1, microBatches }: TrainConfig,
): [parts: number, size: number] => {
  const run = batchSize / accumulate;
  const parts = microBatches ?? microBatchesFor(task, run);
  return [parts, run / parts];
};

/** Parameters that have shapes, and share their numbers: nothing is computed with them. */
export function hollowState(
  task: Task,
  { moreEmaDecays }: Pick<TrainConfig, "moreEmaDecays"> = {},
): TrainState {
  const shapes = taskShapes(task);
  const numbers = new Float32Array(Math.max(...Object.values(shapes).map(sizeOf)));
  const params = (keep: (name: string) => boolean): Params =>
    Object.fromEntries(
      Object.entries(shapes)
        .filter(([name]) => keep(name))
        .map(([name, shape]) => [name, tf.tensor(numbers.subarray(0, sizeOf(shape)), shape)]),
    );
  const [trained, averaged] = [isTrained, isAveraged].map((is) => (name: string) => is(task, name));
  const averages = moreEmaDecays?.map(() => params(averaged));
  return {
    params: params(() => true),
    ema: params(averaged),
    optimizer: { first: params(trained), second: params(trained), step: tf.scalar(0) },
    ...(hasFrozenTeacher(task) && { frozen: params((name) => name in task.network.shapes) }),
    ...(averages && { averages }),
  };
}

/** Plans a run from its config: nothing is trained, and no parameter is made. */
export async function planTraining(config: TrainConfig): Promise<TrainPlan> {
  const task = makeTask(config);
  const shapes = Object.entries(taskShapes(task));
  const count = (keep: (name: string) => boolean): number =>
    shapes.reduce((sum, [name, shape]) => sum + (keep(name) ? sizeOf(shape) : 0), 0);
  const parameters = count(() => true);
  const averages = 1 + (config.moreEmaDecays?.length ?? 0);
  const frozen = hasFrozenTeacher(task) ? count((name) => name in task.network.shapes) : 0;
  const [microBatches, size] = partSize(task, config);
  const options: StepOptions = { ...config, microBatches: 1 };
  const step = jit((state: TrainState, batch: Batch, s: StepScalars) =>
    trainStep(task, state, batch, s, options),
  );
  const args: [TrainState, Batch, StepScalars] = [
    hollowState(task, config),
    await syntheticBatch(config, size),
    syntheticScalars(config),
  ];
  const traced = step.lower(args);
  disposeTree(args);
  return {
    parameters,
    memory: {
      weights: 4 * (parameters + averages * count((name) => isAveraged(task, name)) + frozen),
      optimizer: 8 * count((name) => isTrained(task, name)),
      activations: traced.memory.between,
    },
    accumulate: config.accumulate ?? 1,
    microBatches,
    flopsPerStep: traced.flops * (config.batchSize / size),
    steps: config.steps,
  };
}

/** Times steps of one config, whenever it is asked to. */
export interface StepMeter {
  /** Takes steps for some seconds, one at least. @returns seconds of each */
  measure(seconds: number): Promise<number[]>;
  dispose(): Promise<void>;
}

/**
 * Compiles a step, takes the first, and times those that follow. Seconds are those of one part, its update included, times the
 * parts: what a step takes at most. The parameters are made for it.
 */
export async function stepMeter(config: TrainConfig, makeParams: () => Params): Promise<StepMeter> {
  const task = makeTask(config);
  const [, size] = partSize(task, config);
  const options: StepOptions = { ...config, microBatches: 1 };
  const step = jit(
    (state: TrainState, batch: Batch, s: StepScalars) => trainStep(task, state, batch, s, options),
    { name: "trainStep", donate: [0] },
  );
  const params = makeParams();
  // A frozen teacher's numbers do not matter either.
  let state = initTrainState(task, params, config, params);
  const [batch, numbers] = [await syntheticBatch(config, size), syntheticScalars(config)];
  const timed = async (): Promise<number> => {
    const start = performance.now();
    const done = await step(state, batch, numbers);
    state = done.state;
    // A GPU has only been told by now; what it computes is awaited.
    await done.metrics.generative.data();
    disposeTree(done.metrics);
    return ((performance.now() - start) / 1000) * (config.batchSize / size);
  };
  await timed();
  return {
    async measure(seconds) {
      const times: number[] = [];
      const begin = performance.now();
      do times.push(await timed());
      while (performance.now() - begin < seconds * 1000);
      return times;
    },
    async dispose() {
      disposeTree([state, batch, numbers]);
      await step.dispose();
    },
  };
}

/** Seconds of a step as `stepMeter` takes them, a median of the steps that fit into the time. */
export async function measureStep(
  config: TrainConfig,
  makeParams: () => Params,
  { seconds = 3 } = {},
): Promise<number> {
  const meter = await stepMeter(config, makeParams);
  try {
    return median(await meter.measure(seconds));
  } finally {
    await meter.dispose();
  }
}
