import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { toUint8Images, writePngGrid, writeSamplesNpz } from "../io/index.ts";
import { SAMPLERS, type SamplerName, sampleGenerator } from "../samplers/index.ts";
import { type Checkpoint, latestCheckpoint, readCheckpoint } from "../train/index.ts";
import { integer, jsonOption, positiveInteger, real } from "./options.ts";
import { progressReporter } from "./progress.ts";

interface Options {
  count: number;
  class?: number;
  sampler: SamplerName;
  steps: number;
  guidance: number;
  guidanceInterval: [number, number];
  weights: "ema" | "model";
  seed: number;
  batchSize: number;
  out: string;
  grid?: string;
  json?: boolean;
}

async function load(path: string): Promise<Checkpoint> {
  const isFolder = await stat(path).then(
    (info) => info.isDirectory(),
    () => {
      throw new Error(`there is no run folder or checkpoint at ${path}`);
    },
  );
  if (!isFolder) return readCheckpoint(path);
  const found = await latestCheckpoint(join(path, "checkpoints"));
  if (!found) throw new Error(`${path} holds no checkpoint; expected a run folder or a checkpoint file`);
  return found.checkpoint;
}

const interval = (value: string, previous: number[] = []): number[] => [
  ...(previous.length === 2 ? [] : previous),
  real(value),
];

export const sampleCommand = (): Command =>
  new Command("sample")
    .description("draw images from a trained run into a .npz (arr_0, uint8 NHWC) and, if asked, a PNG grid")
    .argument("<run>", "run folder or checkpoint file")
    .option("--count <number>", "images", positiveInteger, 64)
    .option("--class <id>", "one class for all images (default: each class in turn)", integer)
    .addOption(new Option("--sampler <name>", "sampler").choices([...SAMPLERS]).default("euler"))
    .option("--steps <number>", "sampler steps", positiveInteger, 50)
    .option("--guidance <scale>", "classifier-free guidance scale; 1 is none", real, 1)
    .option(
      "--guidance-interval <times...>",
      "lowest and highest time at which guidance acts",
      interval,
      [0, 1],
    )
    .addOption(
      new Option("--weights <name>", "averaged or last weights").choices(["ema", "model"]).default("ema"),
    )
    .option("--seed <number>", "seed; image i depends on the seed and i alone", integer, 0)
    .option("--batch-size <number>", "images at a time", positiveInteger, 64)
    .option("--out <file>", "where the images go", "samples.npz")
    .option("--grid <file>", "also write them as one PNG")
    .addOption(jsonOption())
    .action(async (run: string, options: Options) => {
      if (options.guidanceInterval.length !== 2) {
        throw new Error(`--guidance-interval takes two times, got ${options.guidanceInterval.length}`);
      }
      const { state, config, step } = await load(run);
      const reporter = progressReporter();
      const generator = sampleGenerator(config.model);
      const labels = Array.from(
        { length: options.count },
        (_, i) => options.class ?? i % config.model.numClasses,
      );
      reporter.begin("sampling", options.count);
      const images = await generator.generate(options.weights === "ema" ? state.ema : state.params, {
        labels,
        sampler: options.sampler,
        steps: options.steps,
        seed: options.seed,
        batchSize: options.batchSize,
        guidance: { scale: options.guidance, interval: options.guidanceInterval },
        interpolant: config.interpolant,
        onProgress: (done) => reporter.update(done),
      });
      reporter.end();
      const pixels = toUint8Images(images.data, images.shape);
      await writeSamplesNpz(options.out, pixels);
      if (options.grid) await writePngGrid(options.grid, pixels);
      const result = { run, step, count: options.count, out: options.out, grid: options.grid };
      process.stdout.write(
        options.json
          ? `${JSON.stringify(result, null, 2)}\n`
          : `${options.count} images of step ${step}: ${options.out}\n`,
      );
    });
