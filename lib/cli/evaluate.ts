import { Command, InvalidArgumentError, Option } from "commander";
import { type DatasetName, loadDataset } from "../data/index.ts";
import { type Communicator, checkAgreement } from "../distributed/communicator.ts";
import { firstAlone, isFirst } from "../distributed/share.ts";
import { loadFeatureNetwork } from "../experiments/evaluator.ts";
import { contentOfParams, fingerprint } from "../fingerprint.ts";
import { type Images, ndarray, readSamplesNpz } from "../io/index.ts";
import {
  cnnFeaturesOfSet,
  METRICS,
  type MetricName,
  type SmallCnn,
  SUITE_NAMES,
  type SuiteName,
  sampleMetrics,
} from "../metrics/index.ts";
import { evaluateInception, inceptionTable } from "./evaluate-inception.ts";
import { checkPickScore, evaluatePickScore } from "./evaluate-pickscore.ts";
import { dataFolderOption, datasetOption, jsonOption, positiveInteger, withDevice } from "./options.ts";
import { progressReporter } from "./progress.ts";
import { rankTimeoutOption, withRanks } from "./ranks.ts";

interface Options {
  dataset: DatasetName;
  data?: string;
  reference: string;
  suite?: SuiteName | typeof SMALL;
  metrics?: MetricName[];
  intervals?: boolean;
  weights: string;
  vae?: string;
  captions?: string;
  pickscore?: string;
  cache: boolean;
  json?: boolean;
  rankTimeout: number;
}

/** The small classifier of the data sets of small grey images. */
const SMALL = "small-cnn";

/** Sample files hold grey images as three equal channels: back to one. */
function toGrey(images: Images, path: string): Images {
  const [count, height, width, channels] = images.shape;
  if (channels === 1) return images;
  const pixels = new Uint8Array(count * height * width);
  for (let i = 0; i < pixels.length; i++) {
    const [r, g, b] = images.data.subarray(i * 3, i * 3 + 3);
    if (r !== g || r !== b) throw new Error(`${path} holds coloured images, but the data set is grey`);
    pixels[i] = r;
  }
  return ndarray(pixels, [count, height, width, 1]);
}

const indices = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Metrics from the features of a small classifier that is trained on the data set. */
async function evaluateSmall(path: string, options: Options, ranks?: Communicator): Promise<object> {
  const wanted = positiveInteger(options.reference);
  const dataset = await loadDataset(options.dataset, { folder: options.data });
  const { train } = dataset;
  const images = toGrey(await readSamplesNpz(path), path);
  const [count, height, width, channels] = images.shape;
  if (height !== train.height || width !== train.width) {
    throw new Error(
      `${path} holds ${height}x${width} images, but ${dataset.name} is ${train.height}x${train.width}`,
    );
  }
  if (wanted > train.count)
    throw new Error(`--reference ${wanted} is more than the ${train.count} training images`);
  const reporter = progressReporter();
  const network = await sharedNetwork(() => loadFeatureNetwork(dataset, reporter), ranks);
  const set = { images: images.data, labels: new Uint8Array(count), count, height, width, channels };
  const samples = await cnnFeaturesOfSet(network, set, indices(count), ranks);
  const reference = await cnnFeaturesOfSet(network, train, indices(wanted), ranks);
  if (!isFirst(ranks)) return {};
  const metrics = await sampleMetrics(reference, samples);
  return { samples: count, reference: wanted, suite: network.name, ...metrics };
}

/** The network, which rank 0 trains where it is not kept yet, and which must be one and the same on all ranks. */
async function sharedNetwork(load: () => Promise<SmallCnn>, ranks?: Communicator): Promise<SmallCnn> {
  let network: SmallCnn | undefined;
  await firstAlone(async () => {
    network = await load();
  }, ranks);
  network ??= await load();
  if (ranks)
    await checkAgreement(ranks, "feature network", fingerprint(await contentOfParams(network.params)));
  return network;
}

const isCount = (reference: string): boolean => /^\d+$/.test(reference);

const metricNames = (value: string): MetricName[] =>
  value.split(",").map((name) => {
    if (!(METRICS as readonly string[]).includes(name))
      throw new InvalidArgumentError(`expected names out of ${METRICS.join(", ")}, separated by commas.`);
    return name as MetricName;
  });

export const evaluateCommand = (): Command =>
  withDevice(new Command("evaluate"))
    .description(
      "measure generated images against a reference: FID, sFID, Inception Score, precision, recall, KID, PickScore",
    )
    .argument(
      "<samples>",
      "a .npz with arr_0, uint8 NHWC or float32 latents NCHW, as `ditlab sample` writes it; a folder or ZIP archive of images or latents",
    )
    .option(
      "--reference <path>",
      "reference images: a .npz as ADM publishes it, a folder or archive; or how many training images of --dataset",
      "10000",
    )
    .addOption(
      new Option(
        "--suite <name>",
        `network and preprocessing (default: adm; ${SMALL} where the reference is a --dataset)`,
      ).choices([...SUITE_NAMES, SMALL]),
    )
    .option(
      "--metrics <names>",
      `which, of ${METRICS.join(",")} (default: all that the reference allows)`,
      metricNames,
    )
    .option(
      "--intervals",
      "95 % confidence intervals of FID and sFID too (ten more distances each, by the jackknife)",
    )
    .option("--vae <folder>", "diffusers' files of the VAE, or the name of a published one, for latents")
    .option("--captions <folder>", "captions that the images were drawn by, for --pickscore")
    .option(
      "--pickscore <folder>",
      "PickScore's files (yuvalkirstain/PickScore_v1 and its tokenizer): also how well images fit their --captions",
    )
    .option("--weights <file>", "the FID network's weights, or the name of published ones", "inception-2015")
    .option("--no-cache", "do not keep features in the cache folder")
    .addOption(datasetOption())
    .addOption(dataFolderOption())
    .addOption(jsonOption())
    .addOption(rankTimeoutOption())
    .addHelpText(
      "after",
      "\nNumbers of two suites do not compare, nor do those of different numbers of samples.",
    )
    .action((path: string, options: Options) =>
      withRanks(options, (ranks) => evaluate(path, options, ranks)),
    );

/** @throws where options contradict each other */
function checkOptions({ reference, captions, pickscore }: Options, suite: string): void {
  if ((captions === undefined) !== (pickscore === undefined))
    throw new Error("--pickscore says how well images fit their --captions; expected both");
  if (suite === SMALL && pickscore !== undefined)
    throw new Error(`PickScore goes with the FID network; expected a --reference, got the suite ${SMALL}`);
  if ((suite === SMALL) !== isCount(reference))
    throw new Error(
      suite === SMALL
        ? `the suite ${SMALL} takes a number of training images as --reference, got ${reference}`
        : `the suite ${suite} takes reference images as --reference, got ${reference}`,
    );
}

/** Measures; features are computed by all ranks, and rank 0 prints what is made of them. */
async function evaluate(path: string, options: Options, ranks?: Communicator): Promise<void> {
  const { reference, suite = isCount(reference) ? SMALL : "adm", metrics, weights, cache } = options;
  const { intervals = false, vae, captions, pickscore } = options;
  checkOptions(options, suite);
  const print = (result: object, text: string): void => {
    if (isFirst(ranks)) process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : text);
  };
  if (suite === SMALL) {
    const result = await evaluateSmall(path, options, ranks);
    const lines = Object.entries(result).map(([name, value]) => `${name.padEnd(16)}${value}\n`);
    return print(result, lines.join(""));
  }
  const liking =
    captions === undefined || pickscore === undefined
      ? undefined
      : { samples: path, captions, pickscore, vae };
  if (liking) await checkPickScore(liking);
  const asked = { samples: path, reference, suite, metrics, intervals, weights, vae, cache };
  // Scores first: rank 0 takes its time for distances, while the others wait for nothing any more.
  const liked = liking && (await evaluatePickScore(liking, ranks));
  const found = await evaluateInception(asked, ranks);
  if (!found) return;
  for (const warning of found.warnings) process.stderr.write(`warning: ${warning}\n`);
  const result = liked
    ? {
        ...found,
        pickscore: liked.pickscore,
        intervals: { ...found.intervals, pickscore: liked.interval },
      }
    : found;
  print(result, inceptionTable(result));
}
