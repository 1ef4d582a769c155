/** The machine and the settings, as the report shows them. */
import { cpus, type as osType, release, totalmem } from "node:os";
import { runtimeVersion } from "../jit/onnxruntime.ts";
import { parameterCount } from "../models/index.ts";
import { scheduleAt } from "../optim/index.ts";
import { makeTask, type TrainConfig } from "../train/index.ts";
import { GRID_GUIDANCE } from "./evaluator.ts";
import type { Scale } from "./presets.ts";
import type { Results } from "./results.ts";

/** This machine. */
export function machine(): Results["machine"] {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${osType()} ${release()}`,
    node: process.version,
    onnxruntime: runtimeVersion(),
  };
}

/** The settings as the report shows them. */
export function settings(config: TrainConfig, scale: Scale): Results["settings"] {
  const { model, process } = config;
  const { methods } = makeTask(config);
  return {
    model: {
      depth: model.depth,
      width: model.hiddenSize,
      heads: model.numHeads,
      "patch size": model.patchSize,
      "input size": model.inputSize,
      parameters: parameterCount(model),
    },
    training: {
      steps: config.steps,
      "batch size": config.batchSize,
      "learning rate": `${scheduleAt(config.learningRate, config.steps)} after warm-up`,
      "EMA decay": String(config.emaDecay),
      "gradient norm limit": config.maxGradientNorm,
      "class dropout": config.classDropout,
      ...(process.type === "interpolant" && {
        interpolant: process.path,
        "time distribution": process.times,
      }),
    },
    ...Object.fromEntries(
      methods.map((method, i) => [
        method.name,
        { ...method.describe(), lambda: String(config.methods[i].weight) },
      ]),
    ),
    sampling: {
      sampler: "Euler (ODE)",
      steps: scale.samplerSteps,
      "guidance in metrics": "none",
      "guidance in grids": GRID_GUIDANCE,
      weights: "EMA",
    },
    probe: {
      features: "average-pooled tokens, batch norm, one linear layer",
      labels: "none given to the model (null class)",
      weights: "EMA",
    },
  };
}
