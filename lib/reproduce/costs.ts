/** What a training step costs: seconds, bytes and floating-point operations. */
import { randomStream } from "../tensor/random.ts";
import { initTask, makeTask, measureStep, planTraining, type TrainConfig } from "../train/index.ts";

export interface Cost {
  /** Of a step, a median. */
  readonly seconds: number;
  /** Bytes that weights, optimizer, activations and gradients are planned to take. */
  readonly memory: number;
  /** Of a step's matrix products. */
  readonly flops: number;
  readonly parameters: number;
}

/** Measures a step for some seconds, which needs its memory, and plans the rest. */
export async function costOf(config: TrainConfig, seconds = 3): Promise<Cost> {
  const plan = await planTraining(config);
  const { weights, optimizer, activations } = plan.memory;
  const make = () => initTask(makeTask(config), randomStream(config.seed, "weights"));
  return {
    seconds: await measureStep(config, make, { seconds }),
    memory: weights + optimizer + activations,
    flops: plan.flopsPerStep,
    parameters: plan.parameters,
  };
}
