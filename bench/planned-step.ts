/** A training step's plan of kernels, made without a GPU: parameters have shapes, and no numbers of their own. */
import { methodPreset } from "../lib/align/index.ts";
import { SIT_PROCESS } from "../lib/diffusion/index.ts";
import { traceFunction } from "../lib/jit/lower.ts";
import { type ProductDevice, SOME_GPU } from "../lib/jit/plan/forms.ts";
import type { Plan, PlanOptions } from "../lib/jit/plan/plan.ts";
import type { StorageFormat } from "../lib/jit/plan/precision.ts";
import type { Section } from "../lib/jit/plan/sections.ts";
import { styleFor } from "../lib/jit/plan/style.ts";
import { planProgram } from "../lib/jit/plan/traced.ts";
import { structureOf } from "../lib/jit/structure.ts";
import { OWN_KERNELS } from "../lib/jit/targets/cuda/attention.ts";
import { MATRICES } from "../lib/jit/targets/cuda/device.ts";
import { CUDA } from "../lib/jit/targets/cuda/language.ts";
import { writtenFor } from "../lib/jit/targets/planned/dialect.ts";
import { WGSL } from "../lib/jit/targets/webgpu/wgsl.ts";
import { modelConfig } from "../lib/models/index.ts";
import { ADAMW_DEFAULTS } from "../lib/optim/index.ts";
import {
  makeTask,
  type StepOptions,
  syntheticBatch,
  syntheticScalars,
  type TrainConfig,
  taskShapes,
  trainStep,
} from "../lib/train/index.ts";
import { hollowState } from "../lib/train/plan.ts";

export interface PlannedStep {
  /** The whole step runs through. */
  section: Section;
  plan: Plan;
  /** Numbers of all trained and fixed parameters. */
  parameters: number;
  traceSeconds: number;
  /** Of each time that it was planned. */
  planSeconds: number[];
}

/** A step of one of the papers' models, with SRA or with none. */
export function stepConfig(
  name: Parameters<typeof modelConfig>[0],
  method: "plain" | "sra",
  batchSize: number,
): TrainConfig {
  const model = modelConfig(name);
  const trained = { depth: model.depth, process: SIT_PROCESS };
  return {
    seed: 1,
    model,
    process: SIT_PROCESS,
    methods: method === "plain" ? [] : [methodPreset(method, trained)],
    steps: 1,
    batchSize,
    microBatches: 1,
    learningRate: 1e-4,
    adamW: ADAMW_DEFAULTS,
    maxGradientNorm: 1,
    emaDecay: 0.9999,
    classDropout: 0.1,
    logEvery: 1,
    checkpointEvery: 1,
  };
}

/** As any GPU binds arrays, and with the products' forms of some. */
export const anyGPU = (maxBuffers: number): PlanOptions => ({
  style: styleFor(WGSL, SOME_GPU),
  maxBuffers,
});

/** A card of NVIDIA's with tensor cores, as kernels are planned for it in CUDA C++: with cuBLASLt, or without. */
export function cudaCard(
  storage: StorageFormat,
  hasLibrary = true,
): { device: ProductDevice; options: PlanOptions } {
  const device: ProductDevice = {
    ...SOME_GPU,
    workgroupMemory: 48 << 10,
    own: OWN_KERNELS,
    ...(hasLibrary && { library: "float32" }),
    ...(storage !== "float32" && { matrices: MATRICES.find(({ format }) => format === storage) }),
  };
  return { device, options: { style: styleFor(CUDA, device), maxBuffers: 32, storage } };
}

/** Plans a step of a config on `batchSize` samples, `runs` times over. */
export async function planStep(
  config: TrainConfig,
  options: PlanOptions,
  { runs = 1, device = SOME_GPU }: { runs?: number; device?: ProductDevice } = {},
): Promise<PlannedStep> {
  const task = makeTask(config);
  const step: StepOptions = { ...config, microBatches: 1 };
  const args = [hollowState(task), await syntheticBatch(config, config.batchSize), syntheticScalars(config)];
  const structures = args.map((arg, i) => structureOf(arg, `arg${i}`));
  const leaves = structures.flatMap((structure) => structure.leaves);
  const donated = structures.flatMap((structure, i) => structure.leaves.map(() => i === 0));
  const start = performance.now();
  const fn = (...[state, batch, scalars]: [never, never, never]) =>
    trainStep(task, state, batch, scalars, step);
  const traced = writtenFor(device, traceFunction(fn, args, "trainStep"));
  const traceSeconds = (performance.now() - start) / 1000;
  const planned = Array.from({ length: runs }, () => {
    const begin = performance.now();
    const made = planProgram(traced, leaves, donated, options);
    return { ...made, seconds: (performance.now() - begin) / 1000 };
  });
  const [[section, plan]] = planned[0].plans;
  const parameters = Object.values(taskShapes(task)).reduce(
    (sum, shape) => sum + shape.reduce((n, d) => n * d, 1),
    0,
  );
  return {
    section,
    plan,
    parameters,
    traceSeconds,
    planSeconds: planned.map(({ seconds }) => seconds),
  };
}
