import { Command } from "commander";
import { writeAtomic } from "../io/index.ts";
import { randomGenerator } from "../tensor/index.ts";
import {
  checkTrainConfig,
  compileStep,
  initTask,
  initTrainState,
  makeTask,
  syntheticBatch,
  syntheticScalars,
} from "../train/index.ts";
import { readConfig, withOptions } from "./config.ts";
import { type ConfigOptions, withConfigOptions } from "./config-options.ts";
import { jsonOption, positiveInteger, withDevice } from "./options.ts";

interface Options extends ConfigOptions {
  runs: number;
  html?: string;
  onnx?: string;
  json?: boolean;
}

const page = (body: string): string =>
  `<!doctype html><meta charset="utf-8"><title>ditlab profile</title><body style="font:14px/1.5 system-ui,sans-serif;margin:2em;color-scheme:light dark">${body}`;

export const profileCommand = (): Command =>
  withDevice(withConfigOptions(new Command("profile")))
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
      const task = makeTask(config);
      const step = compileStep(task, config);
      // Of random numbers: how long a step takes does not depend on them.
      const params = initTask(task, randomGenerator(0));
      const state = initTrainState(task, params, config, params);
      const batch = await syntheticBatch(config, config.batchSize);
      const args: Parameters<typeof step> = [state, batch, syntheticScalars(config)];
      if (options.onnx) await writeAtomic(options.onnx, step.lower(args).onnx);
      const profile = await step.profile(args, { runs: options.runs });
      if (options.html) await writeAtomic(options.html, page(profile.toHtml()));
      process.stdout.write(options.json ? `${JSON.stringify(profile, null, 2)}\n` : `${profile}\n`);
    });
