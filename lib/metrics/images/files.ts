/** Images to evaluate, from whatever they are in. */
import pMap from "p-map";
import { messageOf } from "../../data/destination.ts";
import { decodeImage, openSource, type Pixels, type Source } from "../../data/index.ts";
import { EXAMPLE_NAME } from "../../data/sources.ts";
import type { VAE } from "../../vae/index.ts";
import { type ImageFiles, inPieces, pixelBatch, WHOLE } from "./batch.ts";
import { latentFiles, latentImages } from "./latents.ts";
import { openNpzRows } from "./npz.ts";

export interface ImageFilesOptions {
  /** Decodes latents. */
  vae?: VAE;
}

/** Files decoded at a time. */
const CONCURRENCY = 8;

/**
 * Opens images to evaluate:
 * - a `.npz` with `arr_0`, uint8 `[count, height, width, 3]`, and statistics `mu`, `sigma`, `mu_s`, `sigma_s` where it
 *   has them (either may be missing), as ADM's reference batches;
 * - a `.npz` with float32 latents `[count, channels, height, width]`, scaled, as `ditlab sample` writes them without a
 *   VAE;
 * - a folder or ZIP archive of images, or of `.npy` latents as `prepareLatents` writes them, of which the means count.
 *
 * Grey images are repeated to three channels, transparency is dropped.
 * @throws naming the file, and what was expected.
 */
export async function openImageFiles(path: string, { vae }: ImageFilesOptions = {}): Promise<ImageFiles> {
  const decoder = (): VAE => {
    if (!vae) throw new Error(`${path} holds latents; a VAE must be given to make images of them`);
    return vae;
  };
  if (path.toLowerCase().endsWith(".npz")) {
    const rows = await openNpzRows(path);
    const { count, dtype, shape, statistics, close } = rows;
    if (count === 0) return { count, batches: async function* () {}, statistics, close };
    if (dtype === "float32")
      return closing(rows, () =>
        latentImages({ count, shape, rows: rows.rows, close }, decoder(), `Array "arr_0" of ${path}`),
      );
    const [height, width] = shape;
    const image = (data: Uint8Array): Pixels => ({ data, width, height });
    return {
      count,
      batches: (size, share) => inPieces(rows.rows(), size, (piece) => pixelBatch(piece.map(image)), share),
      statistics,
      close,
    };
  }
  const source = await openSource(path, EXAMPLE_NAME);
  const isLatents = source.files[0].name.toLowerCase().endsWith(".npy");
  return isLatents ? closing(source, () => latentFiles(source, decoder())) : imageFiles(source);
}

/** What cannot be used is closed. */
async function closing<T>(source: { close(): Promise<void> }, use: () => T | Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    await source.close();
    throw error;
  }
}

function imageFiles(source: Source): ImageFiles {
  const { files, path } = source;
  let first: Pixels | undefined;
  const read = async (name: string): Promise<Pixels> => {
    try {
      return await decodeImage(await source.read(name));
    } catch (error) {
      throw new Error(`Cannot read ${name} of ${path}: ${messageOf(error)}`, { cause: error });
    }
  };
  return {
    count: files.length,
    async *batches(size, { rank, size: ranks } = WHOLE) {
      for (let start = rank * size; start < files.length; start += ranks * size) {
        const names = files.slice(start, start + size).map(({ name }) => name);
        const images = await pMap(names, read, { concurrency: CONCURRENCY });
        first ??= start === 0 ? images[0] : await read(files[0].name);
        for (const [i, { width, height }] of images.entries())
          if (width !== first.width || height !== first.height)
            throw new Error(
              `images must have one size: ${files[0].name} of ${path} is ${first.width} x ${first.height}, ${names[i]} ${width} x ${height}`,
            );
        yield pixelBatch(images);
      }
    },
    statistics: {},
    close: source.close,
  };
}
