/** What a training run will take, before it is started. */
import type { SRABatch } from "../align/sra.ts";
import { jit } from "../jit/index.ts";
import { isTrainable, transformerShapes } from "../models/transformer.ts";
import type { Params } from "../tensor/params.ts";
import { tf } from "../tensor/tf.ts";
import type { TrainConfig } from "./config.ts";
import { microBatchesFor } from "./micro-batches.ts";
import { initTrainState, type StepConfig, type StepScalars, type TrainState, trainStep } from "./step.ts";
import { syntheticBatch, syntheticScalars } from "./synthetic.ts";

export interface TrainPlan {
  /** All parameters, the fixed position embedding included. */
  parameters: number;
  /** Bytes. */
  memory: {
    /** The student's and the teacher's parameters. */
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

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, d) => product * d, 1);

/** Samples that pass through the network at once. */
const partSize = ({
  model,
  batchSize,
  accumulate = 1,
  microBatches,
}: TrainConfig): [parts: number, size: number] => {
  const run = batchSize / accumulate;
  const parts = microBatches ?? microBatchesFor(model, run);
  return [parts, run / parts];
};

/** Parameters that have shapes, and share their numbers: nothing is computed with them. */
function hollowState(config: TrainConfig): TrainState {
  const shapes = transformerShapes(config.model);
  const numbers = new Float32Array(Math.max(...Object.values(shapes).map(sizeOf)));
  const params = (names: (name: string) => boolean): Params =>
    Object.fromEntries(
      Object.entries(shapes)
        .filter(([name]) => names(name))
        .map(([name, shape]) => [name, tf.tensor(numbers.subarray(0, sizeOf(shape)), shape)]),
    );
  const all = () => true;
  const optimizer = { first: params(isTrainable), second: params(isTrainable), step: tf.scalar(0) };
  const averages = config.moreEmaDecays?.map(() => params(all));
  return { params: params(all), ema: params(all), optimizer, ...(averages && { averages }) };
}

/** Plans a run from its config: nothing is trained, and no parameter is made. */
export function planTraining(config: TrainConfig): TrainPlan {
  const shapes = transformerShapes(config.model);
  const count = (names: (name: string) => boolean): number =>
    Object.entries(shapes).reduce((sum, [name, shape]) => sum + (names(name) ? sizeOf(shape) : 0), 0);
  const parameters = count(() => true);
  const [microBatches, size] = partSize(config);
  const step: StepConfig = { ...config, microBatches: 1 };
  const traced = jit((state: TrainState, batch: SRABatch, s: StepScalars) =>
    trainStep(state, batch, s, step),
  ).lower([hollowState(config), syntheticBatch(config, size), syntheticScalars()]);
  return {
    parameters,
    memory: {
      weights: (8 + 4 * (config.moreEmaDecays?.length ?? 0)) * parameters,
      optimizer: 8 * count(isTrainable),
      activations: traced.memory.between,
    },
    accumulate: config.accumulate ?? 1,
    microBatches,
    flopsPerStep: traced.flops * (config.batchSize / size),
    steps: config.steps,
  };
}

/**
 * Seconds that a step takes at most: those of one part, its update included, times the parts; a median of the steps that
 * fit into the time, the first one, which compiles, left out. The parameters are made for it.
 */
export async function measureStep(
  config: TrainConfig,
  makeParams: () => Params,
  { seconds = 3 } = {},
): Promise<number> {
  const [, size] = partSize(config);
  const stepConfig: StepConfig = { ...config, microBatches: 1 };
  const step = jit(
    (state: TrainState, batch: SRABatch, s: StepScalars) => trainStep(state, batch, s, stepConfig),
    { name: "trainStep", donate: [0] },
  );
  let state = initTrainState(makeParams(), config);
  const [batch, numbers] = [syntheticBatch(config, size), syntheticScalars()];
  const times: number[] = [];
  const begin = performance.now();
  do {
    const start = performance.now();
    ({ state } = await step(state, batch, numbers));
    times.push(performance.now() - start);
  } while (times.length < 2 || performance.now() - begin < seconds * 1000);
  await step.dispose();
  const measured = times.slice(1).sort((a, b) => a - b);
  return (measured[measured.length >> 1] / 1000) * (config.batchSize / size);
}
