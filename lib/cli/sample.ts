import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { INTERPOLANTS, type InterpolantName } from "../diffusion/index.ts";
import type { WeightsName } from "../io/index.ts";
import { loadModel, type Model } from "../models/index.ts";
import { SAMPLERS, type SamplerName } from "../samplers/index.ts";
import type { Params } from "../tensor/index.ts";
import {
  type Checkpoint,
  latestCheckpoint,
  readCheckpoint,
  type TrainConfig,
  type TrainState,
} from "../train/index.ts";
import { readModel } from "./config.ts";
import { fetched } from "./download.ts";
import { drawSamples } from "./draw-samples.ts";
import { anyInteger, integer, jsonOption, positiveInteger, real } from "./options.ts";
import { progressReporter } from "./progress.ts";

export interface SampleOptions {
  checkpoint?: string;
  model?: string;
  vae?: string;
  interpolant: InterpolantName;
  count?: number;
  first: number;
  class?: number[];
  labels?: string;
  seeds?: number[];
  sampler?: SamplerName | keyof typeof MODES;
  steps: number;
  guidance: number;
  guidanceInterval: [number, number];
  guidedChannels?: number;
  eta?: number;
  weights: WeightsName;
  seed: number;
  batchSize: number;
  emaDecay?: number;
  out: string;
  grid?: string;
  png?: string;
  json?: boolean;
}

/** What the reference calls its samplers. */
const MODES = { sde: "euler-maruyama", ode: "euler" } as const;

const samplerOf = (name: SampleOptions["sampler"], { config }: Model): SamplerName => {
  if (name === undefined) return config.diffusion ? "ddpm" : "euler";
  return name in MODES ? MODES[name as keyof typeof MODES] : (name as SamplerName);
};

/** What to sample from: a run of ours, or a file of weights for a model of the zoo. */
async function load(
  run: string | undefined,
  { checkpoint, model, weights, interpolant, emaDecay }: SampleOptions,
): Promise<Model & { interpolant: InterpolantName; source: string; step?: number }> {
  if (checkpoint !== undefined) {
    if (run !== undefined) throw new Error(`expected a run or --checkpoint, got both: ${run}, ${checkpoint}`);
    if (model === undefined) throw new Error("--checkpoint needs --model, for example --model SiT-XL/2");
    const path = await fetched(checkpoint);
    const reporter = progressReporter();
    reporter.begin(`loading ${model}`, 1);
    const loaded = await loadModel(path, await readModel(model), {
      weights,
      onProgress: (done, all) => reporter.update(done / all),
    });
    reporter.end();
    return { ...loaded, interpolant, source: checkpoint };
  }
  if (run === undefined)
    throw new Error("expected a run folder or checkpoint of ours, or --checkpoint and --model");
  if (model !== undefined)
    throw new Error(`--model is for the weights of --checkpoint; the run ${run} has a model of its own`);
  const { state, config, step } = await loadRun(run);
  const params = weights === "ema" ? averageOf(state, config, emaDecay) : state.params;
  return { config: config.model, params, interpolant: config.interpolant, source: run, step };
}

/** The moving average of a decay, of several that a run may keep. */
function averageOf({ ema, averages = [] }: TrainState, config: TrainConfig, decay?: number): Params {
  const { emaDecay, moreEmaDecays = [] } = config;
  if (decay === undefined || decay === emaDecay) return ema;
  const index = moreEmaDecays.indexOf(decay);
  if (index < 0)
    throw new Error(
      `the run keeps no moving average with decay ${decay}; expected ${[emaDecay, ...moreEmaDecays].map((value) => JSON.stringify(value)).join(" or ")}`,
    );
  return averages[index];
}

async function loadRun(path: string): Promise<Checkpoint> {
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

const classes = (value: string, previous: number[] = []): number[] => [...previous, integer(value)];
const seeds = (value: string, previous: number[] = []): number[] => [...previous, anyInteger(value)];

const interval = (value: string, previous: number[] = []): number[] => [
  ...(previous.length === 2 ? [] : previous),
  real(value),
];

export const sampleCommand = (): Command =>
  new Command("sample")
    .description("draw images from a trained run into a .npz (arr_0, uint8 NHWC) and, if asked, a PNG grid")
    .argument("[run]", "run folder or checkpoint file of ours")
    .option(
      "--checkpoint <file>",
      "weights in a PyTorch file or safetensors, or the name of published ones, for --model",
    )
    .option(
      "--model <name>",
      "model of the checkpoint, for example SiT-XL/2, or a .json file with its config",
    )
    .option(
      "--vae <folder>",
      "diffusers' files of the VAE, or the name of a published one, that makes images of latents",
    )
    .addOption(
      new Option("--interpolant <name>", "what a SiT in --checkpoint was trained on")
        .choices([...INTERPOLANTS])
        .default("linear"),
    )
    .option(
      "--count <number>",
      "images (default: 64, or as many as --labels or --seeds have)",
      positiveInteger,
    )
    .option("--first <number>", "number of the first image: a run in shards equals one run", integer, 0)
    .option("--class <ids...>", "classes of the images, in turn (default: all of them)", classes)
    .option("--labels <file>", "the class of each image: a JSON list, or a line for each")
    .addOption(
      new Option(
        "--sampler <name>",
        "sampler; sde is euler-maruyama (default: euler, of a DiT ddpm)",
      ).choices([...SAMPLERS, ...Object.keys(MODES)]),
    )
    .option("--steps <number>", "sampler steps", positiveInteger, 50)
    .option("--guidance <scale>", "classifier-free guidance scale; 1 is none", real, 1)
    .option(
      "--guidance-interval <times...>",
      "lowest and highest time (of a DiT: share of its steps) at which guidance acts",
      interval,
      [0, 1],
    )
    .option(
      "--guided-channels <number>",
      "channels that are guided (default: all; of a DiT 3, as released)",
      positiveInteger,
    )
    .option("--eta <number>", "noise of ddim: 0 is none, 1 as much as ddpm's (default: 0)", real)
    .addOption(
      new Option("--weights <name>", "averaged or last weights").choices(["ema", "model"]).default("ema"),
    )
    .option("--ema-decay <number>", "of several averages that a run keeps, the one with this decay", real)
    .option("--seed <number>", "seed; image i depends on the seed and i alone", anyInteger, 0)
    .option("--seeds <numbers...>", "a seed for each image: image 0 of that seed", seeds)
    .option("--batch-size <number>", "images at a time", positiveInteger, 64)
    .option("--out <file>", "where the images go", "samples.npz")
    .option("--grid <file>", "also write them as one PNG")
    .option("--png <folder>", "also write each as a PNG, by its number")
    .addOption(jsonOption())
    .action(async (run: string | undefined, options: SampleOptions) => {
      if (!options.out.endsWith(".npz"))
        throw new Error(
          `--out is a .npz file, got ${options.out}; --grid writes a picture, and --png a folder of them`,
        );
      if (options.guidanceInterval.length !== 2) {
        throw new Error(`--guidance-interval takes two times, got ${options.guidanceInterval.length}`);
      }
      const model = await load(run, options);
      const result = await drawSamples({ ...model, sampler: samplerOf(options.sampler, model) }, options);
      process.stdout.write(
        options.json
          ? `${JSON.stringify({ run: model.source, step: model.step, ...result }, null, 2)}\n`
          : `${result.count} images${model.step === undefined ? "" : ` of step ${model.step}`}: ${options.out}\n`,
      );
    });
