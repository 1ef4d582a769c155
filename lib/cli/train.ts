import { basename, join } from "node:path";
import { Command } from "commander";
import { loadImageSet } from "../data/index.ts";
import { latestCheckpoint, type TrainConfig, type TrainResult, train } from "../train/index.ts";
import { type ConfigOptions, readConfig, withConfigOptions } from "./config.ts";
import { EXIT, stopSignal } from "./exit.ts";
import { integer, jsonOption, positiveInteger } from "./options.ts";
import { progressReporter } from "./progress.ts";

interface Options extends ConfigOptions {
  accumulate?: number;
  seed?: number;
  steps?: number;
  out: string;
  resume?: boolean;
  json?: boolean;
}

/** The config of a run: of its checkpoint, of a file, or of a preset; options override its seed and length. */
async function configOf(options: Options): Promise<TrainConfig> {
  const base = options.resume ? await resumedConfig(options.out) : await readConfig(options);
  const { seed = base.seed, steps = base.steps, accumulate = base.accumulate } = options;
  return { ...base, seed, steps, ...(accumulate && { accumulate }) };
}

async function resumedConfig(folder: string): Promise<TrainConfig> {
  const found = await latestCheckpoint(join(folder, "checkpoints"));
  if (!found) throw new Error(`${folder} holds no checkpoint to resume from`);
  return found.checkpoint.config;
}

const summary = ({ step, checkpoint, trainSeconds, stepSeconds }: TrainResult) => ({
  step,
  checkpoint,
  trainSeconds,
  stepSeconds,
});

export const trainCommand = (): Command =>
  withConfigOptions(new Command("train"))
    .description("train a SiT, with SRA unless --baseline, in a run folder that can be resumed")
    .option("--accumulate <number>", "runs that a step's batch is split into: less memory", positiveInteger)
    .option("--seed <number>", "seed of weights, data order and noise", integer)
    .option("--steps <number>", "training steps in all", positiveInteger)
    .option("--out <folder>", "run folder", "runs/train")
    .option("--resume", "go on from the folder's newest checkpoint")
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const config = await configOf(options);
      const reporter = progressReporter();
      const signal = stopSignal(() =>
        reporter.note("\nStopping after this step; press Ctrl-C again to stop at once."),
      );
      const images = await loadImageSet(options.dataset, "train", { folder: options.data });
      reporter.begin(basename(options.out), config.steps);
      const result = await train(config, {
        folder: options.out,
        images,
        resume: options.resume,
        signal,
        onWarning: reporter.note,
        onProgress: ({ step, metrics, stepsPerSecond, secondsLeft }) => {
          const losses = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(4)}`);
          reporter.update(
            step,
            `${losses.join("  ")}  ${stepsPerSecond.toFixed(1)} steps/s  ${Math.round(secondsLeft)} s left`,
          );
        },
      });
      reporter.end();
      const stopped = result.step < config.steps;
      if (options.json) process.stdout.write(`${JSON.stringify(summary(result), null, 2)}\n`);
      else if (!stopped) process.stdout.write(`${result.step} steps done: ${result.checkpoint}\n`);
      if (stopped) {
        reporter.note(
          `Saved step ${result.step}. Go on with: ditlab train --out ${options.out} --dataset ${options.dataset}${options.data ? ` --data ${options.data}` : ""} --resume`,
        );
        process.exit(EXIT.interrupted);
      }
    });
