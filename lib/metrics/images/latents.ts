/** Latents as images to evaluate, which a VAE decodes where their features are not known yet. */
import { latentScale } from "../../data/destination.ts";
import type { Pixels, Source } from "../../data/index.ts";
import { parseMoments } from "../../data/latents.ts";
import { contentOfParams, digestOf } from "../../fingerprint.ts";
import { toUint8Images } from "../../io/index.ts";
import { tf } from "../../tensor/tf.ts";
import { downsampling, latentDecoder, type VAE } from "../../vae/index.ts";
import { type ImageBatch, type ImageFiles, inPieces } from "./batch.ts";

interface LatentRows {
  count: number;
  /** Channels, height and width. */
  shape: readonly number[];
  /** The bytes of one latent after the other: float32, scaled as diffusion has them. */
  rows(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** @param name what errors call the latents */
export function latentImages(latents: LatentRows, vae: VAE, name: string): ImageFiles {
  const { count, shape } = latents;
  const [channels, latentHeight, latentWidth] = shape;
  if (channels !== vae.config.latentChannels)
    throw new Error(
      `${name} has ${channels} channels in each latent, [${shape.join(", ")}], the VAE decodes ${vae.config.latentChannels}`,
    );
  const factor = downsampling(vae.config);
  const [height, width] = [latentHeight * factor, latentWidth * factor];
  const decoder = latentDecoder(vae);
  let content: Promise<Uint8Array> | undefined;

  const decoded = async (rows: readonly Uint8Array[], first: number): Promise<Pixels[]> => {
    const images: Pixels[] = [];
    for (const [i, { buffer, byteOffset, byteLength }] of rows.entries()) {
      const values = new Float32Array(buffer, byteOffset, byteLength / 4);
      if (!values.every(Number.isFinite))
        throw new Error(`${name}: latent ${first + i} holds NaN or infinite values`);
      const z = tf.tensor4d(values, [1, channels, latentHeight, latentWidth]);
      const { data } = toUint8Images(await decoder.decode(z), [1, 3, height, width], "down");
      z.dispose();
      images.push({ data, width, height });
    }
    return images;
  };
  const batch = (recipe: Uint8Array, rows: readonly Uint8Array[], first: number): ImageBatch => ({
    count: rows.length,
    width,
    height,
    content: [recipe, ...rows],
    pixels: () => decoded(rows, first),
  });
  return {
    count,
    async *batches(size, share) {
      content ??= decoderContent(vae);
      const recipe = await content;
      yield* inPieces(latents.rows(), size, (rows, first) => batch(recipe, rows, first), share);
    },
    statistics: {},
    async close() {
      await decoder.dispose();
      await latents.close();
    },
  };
}

/** The means of latents in files. */
export async function latentFiles(source: Source, vae: VAE): Promise<ImageFiles> {
  const { files, path, read } = source;
  const scale = await latentScale(path);
  const [doubled, height, width] = parseMoments(await read(files[0].name), files[0].name).shape;
  const shape = [doubled / 2, height, width];
  async function* rows(): AsyncGenerator<Uint8Array> {
    for (const { name } of files) {
      const moments = parseMoments(await read(name), name);
      if (moments.shape.join() !== [doubled, height, width].join())
        throw new Error(
          `${name} of ${path} is [${moments.shape.join(", ")}], expected [${doubled}, ${height}, ${width}] as ${files[0].name}`,
        );
      const means = moments.data.subarray(0, moments.data.length / 2);
      yield new Uint8Array(means.map((value) => value * scale).buffer);
    }
  }
  return latentImages({ count: files.length, shape, rows, close: source.close }, vae, path);
}

/** What decoding depends on. */
const decoderContent = async ({ config, params }: VAE): Promise<Uint8Array> =>
  digestOf([
    JSON.stringify(config),
    ...(await contentOfParams(params, (name) => !/^(encoder|quant_conv)\./.test(name))),
  ]);
