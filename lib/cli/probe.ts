/** `ditlab probe`: what blocks know of the class, and how large their features are. */
import { join } from "node:path";
import { Command, Option } from "commander";
import { datasetNames } from "../data/index.ts";
import { type Communicator, checkAgreement } from "../distributed/communicator.ts";
import { firstAlone, fromFirst, isFirst, shareOut } from "../distributed/share.ts";
import { normMeter, probeBlocks } from "../experiments/probing.ts";
import { isFolder } from "../io/folders.ts";
import { packageVersion } from "../package.ts";
import { PAPER_PROBE, type ProbeRecipe } from "../probe/index.ts";
import { probeRecipe } from "../probe/linear.ts";
import { listCheckpoints } from "../train/index.ts";
import { EXIT } from "./exit.ts";
import {
  anyInteger,
  dataFolderOption,
  jsonOption,
  positiveInteger,
  real,
  schemaOption,
  withDevice,
} from "./options.ts";
import {
  countOf,
  type LoadedWeights,
  loadWeights,
  openProbedData,
  type ProbedOptions,
} from "./probe-data.ts";
import { PICTURE_IMAGES, writePictures } from "./probe-pictures.ts";
import { claimResults, type NormsFile, type ProbeFile, printed, writeResults } from "./probe-tables.ts";
import { progressReporter } from "./progress.ts";
import { rankStopSignal, rankTimeoutOption, withRanks } from "./ranks.ts";

interface Options extends ProbedOptions, ProbeRecipe {
  blocks?: number[];
  times: number[];
  trainCount?: number;
  testCount?: number;
  seed: number;
  cache?: string;
  norms?: boolean;
  pictures?: boolean;
  out: string;
  rankTimeout: number;
  json?: boolean;
}

/** The noise levels of figure 2. */
const TIMES = [0.1, 0.3, 0.5, 0.7];
/** Images of which norms are taken where nothing is said. */
const NORM_IMAGES = 500;

const numbers = (value: string, previous: number[] = []): number[] => [
  ...(previous === TIMES ? [] : previous),
  real(value),
];
const blockNumbers = (value: string, previous: number[] = []): number[] => [
  ...previous,
  positiveInteger(value),
];

const common = (source: string, { seed }: Options, data: string) => ({
  ...{ source, data, seed },
  version: packageVersion,
  createdAt: new Date().toISOString(),
});

async function probes(
  source: string,
  options: Options,
  signal: AbortSignal,
  ranks?: Communicator,
): Promise<ProbeFile> {
  const { blocks, times, seed, cache, epochs, batchSize, learningRate } = options;
  const recipe = { epochs, batchSize, learningRate };
  const loaded = await loadWeights(source, options);
  const { network, process, config, weights, step } = loaded;
  if (ranks) await checkAgreement(ranks, "checkpoint", String(step));
  const { train, test, classes, name, close } = await openProbedData(source, options, loaded, true);
  try {
    const trainCount = countOf(train, options.trainCount, "--train-count");
    const testCount = countOf(test, options.testCount, "--test-count");
    const probes = await probeBlocks({
      ...{ network, process, weights, identity: config, blocks, times, seed, cache },
      ...{ train, test, trainCount, testCount, classes, recipe, signal, ranks },
      reporter: progressReporter(),
    });
    return {
      format: "ditlab-probe/1",
      ...common(source, options, name),
      ...(step !== undefined && { step }),
      ...{ classes, trainCount, testCount, recipe, probes },
    };
  } finally {
    loaded.dispose();
    await close();
  }
}

/** The checkpoints of a run folder, oldest first, or the one thing that there is. */
async function checkpointsOf(source: string): Promise<string[]> {
  if (!(await isFolder(source))) return [source];
  const found = await listCheckpoints(join(source, "checkpoints"));
  if (found.length === 0)
    throw new Error(`${source} holds no checkpoint; expected a run folder or a checkpoint file`);
  return found.map(({ path }) => path);
}

async function norms(
  source: string,
  options: Options,
  signal: AbortSignal,
  ranks?: Communicator,
): Promise<NormsFile | undefined> {
  const { times, seed, blocks } = options;
  const reporter = progressReporter();
  const paths = await fromFirst(await checkpointsOf(source), ranks);
  const begin = async (loaded: LoadedWeights) => {
    const data = await openProbedData(source, options, loaded, false);
    const { count: there } = data.train;
    const count = countOf(data.train, options.trainCount ?? Math.min(NORM_IMAGES, there), "--train-count");
    return { data, count, meter: normMeter(loaded.network, loaded.process, blocks) };
  };
  // The network is the same in every checkpoint of a run.
  let opened: Awaited<ReturnType<typeof begin>> | undefined;
  const found: NormsFile["norms"] = [];
  async function measure(path: string): Promise<typeof found> {
    signal.throwIfAborted();
    const loaded = await loadWeights(path, options);
    try {
      opened ??= await begin(loaded);
      const { weights, step } = loaded;
      const { count, meter, data } = opened;
      const measured = await meter.measure({ images: data.train, count, weights, times, seed, signal });
      return measured.map((norm) => ({ ...(step !== undefined && { step }), ...norm }));
    } finally {
      loaded.dispose();
    }
  }
  try {
    reporter.begin("norms", paths.length);
    let done = 0;
    for await (const some of shareOut(paths, measure, ranks)) {
      found.push(...some);
      reporter.update(++done);
    }
    reporter.end();
    // A rank for which there was no checkpoint knows nothing of the data.
    if (!opened) return undefined;
    const { data, count } = opened;
    return { format: "ditlab-norms/1", ...common(source, options, data.name), count, norms: found };
  } finally {
    await opened?.meter.dispose();
    await opened?.data.close();
  }
}

export const probeCommand = (): Command =>
  withDevice(new Command("probe"))
    .description(
      "what blocks know: accuracies of linear probes by block and noise level, by the paper's recipe; or how large their features are, or pictures of them",
    )
    .argument("<run>", "run folder or checkpoint of ours, or weights with their --model")
    .option(
      "--model <name>",
      "model of a file of weights, for example SiT-XL/2, or a .json file with its config",
    )
    .addOption(
      new Option("--dataset <name>", "data set (default: what the run was trained on)").choices(datasetNames),
    )
    .addOption(dataFolderOption())
    .option("--images <path>", "probe on shards, latents or images (see 'prepare') instead of --dataset")
    .option(
      "--test-images <path>",
      "others of the same classes, on which the probes of --images are measured",
    )
    .option(
      "--vae <folder>",
      "diffusers' files of the VAE, or the name of a published one, that encodes --images",
    )
    .option("--blocks <numbers...>", "blocks, counted from 1 (default: every one)", blockNumbers)
    .option(
      "--times <times...>",
      "noise levels from 0 (data) to 1 (noise), of a DiT shares of its steps",
      numbers,
      TIMES,
    )
    .addOption(
      new Option("--weights <name>", "averaged weights (teacher), trained ones (student), or both")
        .choices(["teacher", "student", "both"])
        .default("teacher"),
    )
    .option(
      "--train-count <number>",
      `training images (default: all; of --norms ${NORM_IMAGES}, of --pictures ${PICTURE_IMAGES})`,
      positiveInteger,
    )
    .option("--test-count <number>", "test images (default: all)", positiveInteger)
    .addOption(
      schemaOption(probeRecipe, "--epochs <number>", "epochs", positiveInteger).default(PAPER_PROBE.epochs),
    )
    .addOption(
      schemaOption(probeRecipe, "--batch-size <number>", "batchSize", positiveInteger).default(
        PAPER_PROBE.batchSize,
      ),
    )
    .addOption(
      schemaOption(probeRecipe, "--learning-rate <number>", "learningRate", real).default(
        PAPER_PROBE.learningRate,
      ),
    )
    .option("--seed <number>", "seed of noise, latents and batches", anyInteger, 0)
    .option("--cache <folder>", "where features are kept (default: probes in the cache folder)")
    .option("--norms", "instead of probes the norms of tokens, over all checkpoints of a run folder")
    .addOption(
      new Option(
        "--pictures",
        "instead of probes the tokens of some images, in the colours of their principal components, as PNG files",
      ).conflicts("norms"),
    )
    .option("--out <folder>", "where tables go, as JSON, Markdown and CSV", "runs/probe")
    .addOption(jsonOption())
    .addOption(rankTimeoutOption())
    .addHelpText(
      "after",
      "\nFeatures are kept on disk: called again, it goes on with those that there are. docs/probe.md says what the recipe leaves open.",
    )
    .action((source: string, options: Options) =>
      withRanks(options, (ranks) => probe(source, options, ranks)),
    );

/** Probes, or what is asked for instead; ranks share the work, and rank 0 writes and prints what they found. */
async function probe(source: string, options: Options, ranks?: Communicator): Promise<void> {
  if (ranks && options.pictures)
    throw new Error("--pictures are drawn by one process; expected no launcher such as mpirun");
  const { note } = progressReporter();
  const signal = rankStopSignal(ranks, () => note("\nStopping; press Ctrl-C again to stop at once."));
  await firstAlone(() => claimResults(options.out), ranks);
  try {
    if (options.pictures) {
      const paths = await writePictures(source, options, signal);
      process.stdout.write(options.json ? `${JSON.stringify(paths)}\n` : `${paths.join("\n")}\n`);
      return;
    }
    const file = await (options.norms ? norms : probes)(source, options, signal, ranks);
    if (!file || !isFirst(ranks)) return;
    await writeResults(options.out, file);
    process.stdout.write(options.json ? `${JSON.stringify(file, null, 2)}\n` : printed(file));
  } catch (error) {
    if (!signal.aborted) throw error;
    const stopped = "Stopped. The same command goes on with the features that are on disk.";
    // One of the ranks says it for all.
    if (ranks) throw new Error(stopped, { cause: error });
    note(stopped);
    process.exit(EXIT.interrupted);
  }
}
