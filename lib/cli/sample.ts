/** `ditlab sample`: a pipeline, and where its images go. */
import { Command, Option } from "commander";
import { INTERPOLANTS } from "../diffusion/index.ts";
import type { Communicator } from "../distributed/communicator.ts";
import { isFirst } from "../distributed/share.ts";
import { SAMPLERS } from "../samplers/index.ts";
import { drawSamples } from "./draw-samples.ts";
import { loadSampled, loadWeaker } from "./load-sampled.ts";
import {
  anyInteger,
  integer,
  jsonOption,
  positiveInteger,
  queueOption,
  queueUrl,
  real,
  withDevice,
} from "./options.ts";
import { distributeSamples } from "./queued-samples.ts";
import { rankTimeoutOption, withRanks } from "./ranks.ts";
import { MODES, type SampleOptions } from "./sampler-options.ts";

const classes = (value: string, previous: number[] = []): number[] => [...previous, integer(value)];
const seeds = (value: string, previous: number[] = []): number[] => [...previous, anyInteger(value)];

const texts = (value: string, previous: string[] = []): string[] => [...previous, value];

const several = (value: string, previous: number[] = []): number[] => [...previous, real(value)];

const interval = (value: string, previous: number[] = []): number[] => [
  ...(previous.length === 2 ? [] : previous),
  real(value),
];

export const sampleCommand = (): Command =>
  withDevice(new Command("sample"))
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
      "images (default: 64, or as many as --labels, --captions, --prompt or --seeds have)",
      positiveInteger,
    )
    .option("--first <number>", "number of the first image: a run in shards equals one run", integer, 0)
    .option("--class <ids...>", "classes of the images, in turn (default: all of them)", classes)
    .option("--labels <file>", "the class of each image: a JSON list, or a line for each")
    .option(
      "--captions <folder>",
      "captions that a text-to-image model draws by, the first of each image (see 'prepare captions')",
    )
    .option("--prompt <texts...>", "texts that a text-to-image model draws, in turn; with --encoder", texts)
    .option("--encoder <folder>", "CLIP's text encoder, for --prompt (see 'prepare captions')")
    .addOption(
      new Option(
        "--sampler <name>",
        "sampler; sde is euler-maruyama (default: euler, of a DiT ddpm)",
      ).choices([...SAMPLERS, ...Object.keys(MODES)]),
    )
    .option("--steps <number>", "sampler steps", positiveInteger, 50)
    .option("--times <times...>", "all times of a SiT's steps from 1 to 0, one more than steps", several)
    .addOption(
      new Option("--time-spacing <name>", "how a SiT's times are spaced").choices(["uniform", "cosine"]),
    )
    .option("--time-shift <number>", "shift of a SiT's times, t to s t / (1 + (s-1) t)", real)
    .option("--last-time <number>", "where a SiT's last step begins (default: of euler-maruyama 0.04)", real)
    .option("--respacing <text>", "steps that a DiT takes, as ddim50 (default: even ones)")
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
    .option("--weaker <run>", "a weaker run or checkpoint to be guided by, in place of no class")
    .option("--weaker-model <name>", "the model of --weaker, if that is a file of weights")
    .option("--eta <number>", "noise of ddim: 0 is none, 1 as much as ddpm's (default: 0)", real)
    .option("--churn <amount>", "noise that edm adds over all steps (default: 0)", real)
    .option("--churn-noise <factor>", "what edm's added noise is multiplied by (default: 1)", real)
    .option(
      "--churn-interval <ratios...>",
      "lowest and highest ratio of noise to data at which edm adds noise",
      interval,
    )
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
    .addOption(queueOption("have batches drawn by the workers of a queue"))
    .addOption(jsonOption())
    .addOption(rankTimeoutOption())
    .action((run: string | undefined, { queue, rankTimeout, ...options }: Options) =>
      withRanks({ rankTimeout }, (ranks) => sample(run, options, queue, ranks)),
    );

type Options = SampleOptions & { queue?: string | true; rankTimeout: number };

async function sample(
  run: string | undefined,
  options: SampleOptions,
  queue: string | true | undefined,
  ranks: Communicator | undefined,
): Promise<void> {
  if (!options.out.endsWith(".npz"))
    throw new Error(
      `--out is a .npz file, got ${options.out}; --grid writes a picture, and --png a folder of them`,
    );
  if (options.guidanceInterval.length !== 2)
    throw new Error(`--guidance-interval takes two times, got ${options.guidanceInterval.length}`);
  if (queue && ranks) throw new Error("batches are drawn by ranks or by a queue; expected no --queue");
  const [pipeline, weaker] = [await loadSampled(run, options), await loadWeaker(options)];
  const distribute = queue ? distributeSamples({ url: queueUrl(queue), source: run, options }) : undefined;
  const result = await drawSamples(pipeline, options, { weaker, ranks, distribute });
  await Promise.all([pipeline.dispose(), weaker?.dispose()]);
  if (!isFirst(ranks)) return;
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ run: pipeline.source, step: pipeline.step, ...result }, null, 2)}\n`
      : `${result.count} images${pipeline.step === undefined ? "" : ` of step ${pipeline.step}`}: ${options.out}\n`,
  );
}
