import { Command } from "commander";
import { type DatasetName, loadDataset } from "../data/index.ts";
import { loadFeatureNetwork } from "../experiments/evaluator.ts";
import { type Images, ndarray, readSamplesNpz } from "../io/index.ts";
import { cnnFeaturesOfSet, sampleMetrics } from "../metrics/index.ts";
import { dataFolderOption, datasetOption, jsonOption, positiveInteger } from "./options.ts";
import { progressReporter } from "./progress.ts";

interface Options {
  dataset: DatasetName;
  data?: string;
  reference: number;
  json?: boolean;
}

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

export const evaluateCommand = (): Command =>
  new Command("evaluate")
    .description("measure generated images against a data set's training images")
    .argument("<samples>", "a .npz with arr_0, uint8 NHWC, as `ditlab sample` writes it")
    .addOption(datasetOption())
    .addOption(dataFolderOption())
    .option("--reference <number>", "training images to compare with", positiveInteger, 10000)
    .addOption(jsonOption())
    .addHelpText(
      "after",
      "\nThe features are those of a small classifier trained on the data set, not Inception's: compare the numbers only with each other.",
    )
    .action(async (path: string, options: Options) => {
      const dataset = await loadDataset(options.dataset, { folder: options.data });
      const { train } = dataset;
      const images = toGrey(await readSamplesNpz(path), path);
      const [count, height, width, channels] = images.shape;
      if (height !== train.height || width !== train.width) {
        throw new Error(
          `${path} holds ${height}x${width} images, but ${dataset.name} is ${train.height}x${train.width}`,
        );
      }
      if (options.reference > train.count) {
        throw new Error(`--reference ${options.reference} is more than the ${train.count} training images`);
      }
      const reporter = progressReporter();
      const network = await loadFeatureNetwork(dataset, reporter);
      const set = { images: images.data, labels: new Uint8Array(count), count, height, width, channels };
      const samples = await cnnFeaturesOfSet(network, set, indices(count));
      const reference = await cnnFeaturesOfSet(network, train, indices(options.reference));
      const metrics = await sampleMetrics(reference, samples);
      const result = { samples: count, reference: options.reference, suite: network.name, ...metrics };
      if (options.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
      else
        for (const [name, value] of Object.entries(result))
          process.stdout.write(`${name.padEnd(16)}${value}\n`);
    });
