/** The machine and the settings, as the report shows them. */
import { cpus, type as osType, release, totalmem } from "node:os";
import { openDevice as openCuda } from "../jit/targets/cuda/device.ts";
import { currentTarget } from "../jit/targets/index.ts";
import { runtimeVersion } from "../jit/targets/onnxruntime/api.ts";
import { openDevice } from "../jit/targets/webgpu/device.ts";
import { nameOf } from "../jit/targets/webgpu/gpu.ts";
import { makeNetwork, parameterCount } from "../models/index.ts";
import { scheduleAt } from "../optim/index.ts";
import { makeTask, type TrainConfig } from "../train/index.ts";
import { GRID_GUIDANCE } from "./evaluator.ts";
import type { Scale } from "./presets.ts";
import type { Results } from "./results.ts";

/** This machine, and the GPU where functions are compiled for one. */
export async function machine(): Promise<Results["machine"]> {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${osType()} ${release()}`,
    node: process.version,
    onnxruntime: runtimeVersion(),
    ...(await gpu()),
  };
}

/** The GPU that functions are compiled for, if it is one. */
async function gpu(): Promise<{ gpu?: string }> {
  if (currentTarget() === "webgpu") return { gpu: nameOf((await openDevice()).info) };
  if (currentTarget() === "cuda") return { gpu: (await openCuda()).name };
  return {};
}

/** The settings of each method of an arm, by the method's name, behind the arm's where there are several arms with one. */
function methodSettings({ config, label }: DescribedArm, isAlone: boolean): Results["settings"] {
  const sections = makeTask(config).methods.map((method, i): [string, Results["settings"][string]] => [
    isAlone ? method.name : `${label}: ${method.name}`,
    { ...method.describe(), lambda: String(config.methods[i].weight) },
  ]);
  return Object.fromEntries(sections);
}

interface DescribedArm {
  label: string;
  config: TrainConfig;
}

type Rows = Results["settings"][string];

const modelRows = ({ model }: TrainConfig): Rows => ({
  depth: model.depth,
  width: model.hiddenSize,
  heads: model.numHeads,
  "patch size": model.patchSize,
  "input size": model.inputSize,
  parameters: parameterCount(model),
});

/** A rate that changes ends at what it is after its warm-up. */
const rateAt = ({ learningRate, steps }: TrainConfig): string =>
  typeof learningRate === "number"
    ? String(learningRate)
    : `${scheduleAt(learningRate, steps)} after warm-up`;

const trainingRows = (config: TrainConfig): Rows => ({
  steps: config.steps,
  "batch size": config.batchSize,
  "learning rate": rateAt(config),
  "EMA decay": String(config.emaDecay),
  "gradient norm limit": config.maxGradientNorm,
  "class dropout": config.classDropout,
  ...(config.process.type === "interpolant"
    ? { interpolant: config.process.path, "time distribution": config.process.times }
    : { "noise schedule": config.process.schedule, "diffusion steps": config.process.steps }),
});

/** All fields of a config but its methods, which have tables of their own; those of its parts one by one. */
function fieldsOf({ methods: _, model, process, adamW, ...rest }: TrainConfig): Map<string, string> {
  const parts = Object.entries({ model, process, adamW }).flatMap(([part, fields]) =>
    Object.entries(fields).map(([name, value]) => [`${part}.${name}`, value] as const),
  );
  return new Map(
    [...parts, ...Object.entries(rest)].map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

/** What of an arm's model and training is not as the first arm has it; nothing where all is. */
function differences({ label, config }: DescribedArm, first: TrainConfig): Results["settings"] {
  const [known, own] = [fieldsOf(first), fieldsOf(config)];
  const names = [...new Set([...known.keys(), ...own.keys()])].filter(
    (name) => known.get(name) !== own.get(name),
  );
  if (names.length === 0) return {};
  return {
    [`${label}: what differs`]: Object.fromEntries(names.map((name) => [name, own.get(name) ?? "none"])),
  };
}

/** The settings as the report shows them: the first arm's model and training, where others differ, and every arm's methods. */
export function settings(arms: readonly DescribedArm[], scale: Scale): Results["settings"] {
  const [{ config: first }, ...others] = arms;
  const isAlone = arms.filter((arm) => arm.config.methods.length > 0).length === 1;
  return {
    model: modelRows(first),
    training: trainingRows(first),
    ...Object.assign({}, ...others.map((arm) => differences(arm, first))),
    ...Object.assign({}, ...arms.map((arm) => methodSettings(arm, isAlone))),
    sampling: {
      sampler: "Euler (ODE)",
      steps: scale.samplerSteps,
      "guidance in metrics": "none",
      "guidance in grids": gridGuidance(arms),
      weights: "EMA",
    },
    probe: {
      features: "average-pooled tokens, batch norm, one linear layer",
      labels: "none given to the model (null class, where there are classes)",
      weights: "EMA",
      ...(arms.some((arm) => arm.config.process.type === "gaussian") && {
        "noise level t of a DiT": "step t T of its T",
      }),
    },
  };
}

/** Guidance of the grids, which leads away from no class: without classes there is none. */
function gridGuidance(arms: readonly DescribedArm[]): string | number {
  const without = arms.filter(({ config }) => makeNetwork(config.model).classes === 0).length;
  if (without === 0) return GRID_GUIDANCE;
  return without === arms.length ? "none" : `${GRID_GUIDANCE}, but none for arms without classes`;
}
