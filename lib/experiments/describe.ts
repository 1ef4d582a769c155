/** The machine and the settings, as the report shows them. */
import { cpus, type as osType, release, totalmem } from "node:os";
import { runtimeVersion } from "../jit/onnxruntime.ts";
import { transformerShapes } from "../models/index.ts";
import { scheduleAt } from "../optim/index.ts";
import { tf } from "../tensor/tf.ts";
import type { TrainConfig } from "../train/index.ts";
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
  const { model, sra } = config;
  return {
    model: {
      depth: model.depth,
      width: model.hiddenSize,
      heads: model.numHeads,
      "patch size": model.patchSize,
      "input size": model.inputSize,
      parameters: Object.values(transformerShapes(model)).reduce(
        (sum, shape) => sum + tf.util.sizeFromShape(shape),
        0,
      ),
    },
    training: {
      steps: config.steps,
      "batch size": config.batchSize,
      "learning rate": `${scheduleAt(config.learningRate, config.steps)} after warm-up`,
      "EMA decay": String(config.emaDecay),
      "gradient norm limit": config.maxGradientNorm,
      "class dropout": config.classDropout,
      interpolant: config.interpolant,
      "time distribution": config.timeDistribution,
    },
    SRA: {
      "student block m": sra!.studentBlock,
      "teacher block n": sra!.teacherBlock,
      "interval k": `uniform in [${sra!.interval}]`,
      distance:
        sra!.distance === "cosine"
          ? `cosine (${sra!.cosineAxis} axis)`
          : `${sra!.distance} (beta ${sra!.beta})`,
      lambda: String(config.alignWeight),
      "projection head": sra!.projectionHead,
    },
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
