/** Training data in files: a folder or ZIP archive of images or latents, read as they are needed. */
import { join } from "node:path";
import pMap from "p-map";
import { isFolder } from "../io/folders.ts";
import { tf } from "../tensor/tf.ts";
import { downsampling, latentEncoder, type VAE } from "../vae/index.ts";
import { centerCrop, checkPositive, decodeImage } from "./crop.ts";
import { checkFinished, latentScale, messageOf } from "./destination.ts";
import { shuffledIndices, type TrainingData } from "./examples.ts";
import { contentHash, spread } from "./identity.ts";
import { encoderFingerprint, parseMoments } from "./latents.ts";
import { isShards, openShards } from "./shards.ts";
import { EXAMPLE_NAME, openSource, type Source } from "./sources.ts";
import { writePlanes } from "./tensors.ts";

export interface TrainingDataOptions {
  /**
   * Side of a model's input: pixels, or latents where there is a VAE. Images are cropped to it as they are read. Default:
   * the shorter side of the first image.
   */
  inputSize?: number;
  /** Encodes images as they are read; preparing latents once is far faster. */
  vae?: VAE;
  /** Bytes that shards in memory may take. Default: 1 GiB. */
  memory?: number;
}

/** Files read at a time. */
const CONCURRENCY = 16;

/**
 * Opens training data: shards that `packShards` made; latents, `.npy` files with `dataset.json` as `prepareLatents` or
 * the reference's tools write them (also the folder that has them in `vae-sd`); or images, in any layout that
 * `openSource` knows.
 * @throws naming what is missing, or what does not fit.
 */
export async function openTrainingData(path: string, options: TrainingDataOptions): Promise<TrainingData> {
  if (options.inputSize !== undefined) checkPositive("inputSize", options.inputSize);
  if (await isShards(path)) return encoded(await openShards(path, options.memory), options.vae);
  const latents = join(path, "vae-sd");
  const folder = (await isFolder(latents)) ? latents : path;
  await checkFinished(folder);
  const source = await openSource(folder, EXAMPLE_NAME);
  try {
    const isLatents = source.files[0].name.toLowerCase().endsWith(".npy");
    const other = source.files.find(({ name }) => name.toLowerCase().endsWith(".npy") !== isLatents);
    if (other)
      throw new Error(
        `${source.path} mixes images and latents: "${source.files[0].name}" and "${other.name}"; expected one or the other`,
      );
    if (isLatents) return await latentFiles(source);
    const factor = options.vae ? downsampling(options.vae.config) : 1;
    const { height, width } = await decodeImage(await source.read(source.files[0].name));
    const own = Math.floor(Math.min(height, width) / factor);
    const side = (options.inputSize ?? own) * factor;
    const name = `images in ${source.path} (the first has ${width} x ${height} pixels)`;
    return encoded({ ...imageFiles(source, side), name }, options.vae);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Examples of files that are read one by one into their place. */
function fileData(
  source: Source,
  about: Pick<TrainingData, "shape" | "scale">,
  readOne: (name: string) => Promise<Float32Array>,
): TrainingData {
  const { files } = source;
  const [channels, height, width] = about.shape;
  const size = channels * height * width * (about.scale === undefined ? 1 : 2);
  const indices = shuffledIndices(files.length);
  return {
    ...about,
    name: source.path,
    count: files.length,
    classes: files.reduce((most, { label }) => Math.max(most, (label ?? -1) + 1), 0),
    async read(seed, position, count, streams) {
      const chosen = indices(seed, position, count, streams);
      const values = new Float32Array(count * size);
      const place = async (index: number, n: number): Promise<void> => {
        const { name } = files[index];
        const example = await readOne(name).catch((error) => {
          throw new Error(`Cannot read ${name} of ${source.path}: ${messageOf(error)}`, { cause: error });
        });
        if (example.length !== size)
          throw new Error(
            `${name} of ${source.path} has ${example.length} values, expected ${size} as the first file has`,
          );
        values.set(example, n * size);
      };
      await pMap(chosen, place, { concurrency: CONCURRENCY });
      return { values, labels: chosen.map((index) => files[index].label ?? 0), indices: chosen };
    },
    async fingerprint() {
      const names = JSON.stringify(files.map(({ name, label }) => [name, label]));
      const samples = spread(files.length).map((index) => source.read(files[index].name));
      return contentHash([names, ...(await Promise.all(samples))]);
    },
    close: source.close,
  };
}

const imageFiles = (source: Source, size: number): TrainingData =>
  fileData(source, { shape: [3, size, size] }, async (name) => {
    const { data } = centerCrop(await decodeImage(await source.read(name)), size);
    const values = new Float32Array(data.length);
    writePlanes(values, 0, data, 3);
    return values;
  });

async function latentFiles(source: Source): Promise<TrainingData> {
  const read = async (name: string) => parseMoments(await source.read(name), name);
  const [channels, height, width] = (await read(source.files[0].name)).shape;
  const about = { shape: [channels / 2, height, width], scale: await latentScale(source.path) } as const;
  return fileData(source, about, async (name) => (await read(name)).data);
}

/** Images as the moments of their latents; what holds latents already stays as it is. */
function encoded(data: TrainingData, vae: VAE | undefined): TrainingData {
  if (!vae || data.scale !== undefined) return data;
  const encoder = latentEncoder(vae);
  const factor = downsampling(vae.config);
  const [, height, width] = data.shape;
  return {
    ...data,
    shape: [vae.config.latentChannels, height / factor, width / factor],
    scale: vae.config.scale,
    async read(seed, position, count, streams) {
      const examples = await data.read(seed, position, count, streams);
      const images = tf.tensor4d(examples.values, [count, 3, height, width]);
      try {
        return { ...examples, values: await encoder.encode(images) };
      } finally {
        images.dispose();
      }
    },
    fingerprint: async () =>
      contentHash([(await data.fingerprint?.()) ?? "", await encoderFingerprint(vae.params)]),
    async close() {
      await encoder.dispose();
      await data.close();
    },
  };
}
