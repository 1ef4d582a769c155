import { Command } from "commander";
import { dropLabels } from "../align/sra.ts";
import { writeAtomic } from "../io/index.ts";
import { initTransformer } from "../models/index.ts";
import { normalTensor, randomGenerator, tf } from "../tensor/index.ts";
import { checkTrainConfig, compileStep, initTrainState, type TrainConfig } from "../train/index.ts";
import { type ConfigOptions, readConfig, withConfigOptions, withOptions } from "./config.ts";
import { jsonOption, positiveInteger } from "./options.ts";

interface Options extends ConfigOptions {
  runs: number;
  html?: string;
  onnx?: string;
  json?: boolean;
}

/** What a step of a config takes, of random numbers: how long it takes does not depend on them. */
function stepArguments(config: TrainConfig) {
  const { model, batchSize } = config;
  const random = randomGenerator(0);
  const shape = [batchSize, model.inChannels, model.inputSize, model.inputSize];
  const labels = new Int32Array(batchSize);
  const batch = {
    x: normalTensor(random, shape),
    noise: normalTensor(random, shape),
    t: tf.tensor1d(random.uniforms(batchSize)),
    k: tf.tensor1d(random.uniforms(batchSize).map((u) => u * 0.2)),
    y: tf.tensor1d(dropLabels(random, labels, 0.1, model.numClasses), "int32"),
  };
  const scalars = {
    learningRate: tf.scalar(1e-4),
    alignWeight: tf.scalar(0.2),
    emaDecay: tf.scalar(0.9999),
  };
  return [initTrainState(initTransformer(model, random), config), batch, scalars] as const;
}

const page = (body: string): string =>
  `<!doctype html><meta charset="utf-8"><title>ditlab profile</title><body style="font:14px/1.5 system-ui,sans-serif;margin:2em;color-scheme:light dark">${body}`;

export const profileCommand = (): Command =>
  withConfigOptions(new Command("profile"))
    .description("show where the time of a training step goes: by part, by operator, by matrix product")
    .option("--runs <number>", "runs to take the median of", positiveInteger, 5)
    .option("--html <file>", "write the tables and a flame graph as a page")
    .option(
      "--onnx <file>",
      "write the step's graph, for example for netron; its nodes carry the parts' names",
    )
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const config = withOptions(await readConfig(options), options);
      checkTrainConfig(config);
      const step = compileStep(config);
      const args = stepArguments(config);
      if (options.onnx) await writeAtomic(options.onnx, step.lower([...args]).onnx);
      const profile = await step.profile([...args], { runs: options.runs });
      if (options.html) await writeAtomic(options.html, page(profile.toHtml()));
      process.stdout.write(options.json ? `${JSON.stringify(profile, null, 2)}\n` : `${profile}\n`);
    });
