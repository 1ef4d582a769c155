/** Sets of images to evaluate, read in pieces: ADM's archives, folders and ZIP archives of image files. */
import pMap from "p-map";
import { messageOf } from "../data/destination.ts";
import { decodeImage, openSource, type Pixels } from "../data/index.ts";
import type { NdArray } from "../io/ndarray.ts";
import { parseNpy, parseNpyHeader } from "../io/npy.ts";
import { openZip, type Zip } from "../io/zip.ts";
import type { GaussianStatistics } from "./stats.ts";

export interface ImageFiles {
  /** Images. */
  count: number;
  /** The images in order, `size` at a time, the last time fewer. */
  batches(size: number): AsyncGenerator<Pixels[]>;
  /** Of a reference batch: the statistics that were published with it, of pooled and of spatial features. */
  statistics: { pool?: GaussianStatistics; spatial?: GaussianStatistics };
  close(): Promise<void>;
}

/** Files decoded at a time. */
const CONCURRENCY = 8;

/**
 * Opens a `.npz` with `arr_0`, uint8 `[count, height, width, 3]`, and statistics `mu`, `sigma`, `mu_s`, `sigma_s` where
 * it has them (either may be missing); or a folder or ZIP archive of images. Grey images are repeated to three channels,
 * transparency is dropped.
 * @throws naming the file, and what was expected.
 */
export async function openImageFiles(path: string): Promise<ImageFiles> {
  if (path.toLowerCase().endsWith(".npz")) return openNpzImages(path);
  const source = await openSource(path);
  const { files } = source;
  const read = async (name: string): Promise<Pixels> => {
    try {
      return await decodeImage(await source.read(name));
    } catch (error) {
      throw new Error(`Cannot read ${name} of ${path}: ${messageOf(error)}`, { cause: error });
    }
  };
  return {
    count: files.length,
    async *batches(size) {
      for (let start = 0; start < files.length; start += size)
        yield pMap(files.slice(start, start + size), ({ name }) => read(name), { concurrency: CONCURRENCY });
    },
    statistics: {},
    close: source.close,
  };
}

async function openNpzImages(path: string): Promise<ImageFiles> {
  const zip = await openZip(path, "an .npz archive");
  try {
    const statistics = {
      pool: await readStatistics(zip, path, "mu", "sigma"),
      spatial: await readStatistics(zip, path, "mu_s", "sigma_s"),
    };
    if (!zip.sizes.has("arr_0.npy")) {
      if (!statistics.pool) throw new Error(`${path} has neither images (arr_0) nor statistics (mu, sigma)`);
      return { count: 0, batches: async function* () {}, statistics, close: zip.close };
    }
    const { descr, fortranOrder, shape, dataOffset } = await headerOf(zip, path);
    const [count, height, width] = shape;
    if (descr !== "|u1" || fortranOrder || shape.length !== 4 || shape[3] !== 3 || !shape.every((n) => n > 0))
      throw new Error(
        `Array "arr_0" of ${path} must be uint8 [count, height, width, 3] in row-major order, got ${descr} [${shape.join(", ")}]`,
      );
    const area = height * width * 3;
    const got = zip.sizes.get("arr_0.npy")! - dataOffset;
    if (got !== count * area)
      throw new Error(`Array "arr_0" of ${path} has ${got} bytes of pixels, expected ${count * area}`);
    return {
      count,
      async *batches(size) {
        let images: Pixels[] = [];
        for await (const data of pieces(await zip.stream("arr_0.npy"), dataOffset, area)) {
          images.push({ data, width, height });
          if (images.length < size) continue;
          yield images;
          images = [];
        }
        if (images.length > 0) yield images;
      },
      statistics,
      close: zip.close,
    };
  } catch (error) {
    await zip.close();
    throw error;
  }
}

/** A header takes far less. */
const MOST_HEADER = 4096;

async function headerOf(zip: Zip, path: string) {
  const stream = await zip.stream("arr_0.npy");
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    if (chunks.reduce((sum, { length }) => sum + length, 0) >= MOST_HEADER) break;
  }
  return parseNpyHeader(Buffer.concat(chunks), `Array "arr_0" of ${path}`);
}

/** Pieces of `size` bytes of a stream, after the first `skip`. */
async function* pieces(
  stream: AsyncIterable<Uint8Array | string>,
  skip: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  let [piece, filled] = [new Uint8Array(size), 0];
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    let position = Math.min(skip, chunk.length);
    skip -= position;
    while (position < chunk.length) {
      const part = chunk.subarray(position, position + size - filled);
      piece.set(part, filled);
      filled += part.length;
      position += part.length;
      if (filled < size) continue;
      yield piece;
      [piece, filled] = [new Uint8Array(size), 0];
    }
  }
}

async function readStatistics(
  zip: Zip,
  path: string,
  meanName: string,
  covarianceName: string,
): Promise<GaussianStatistics | undefined> {
  if (!zip.sizes.has(`${meanName}.npy`) || !zip.sizes.has(`${covarianceName}.npy`)) return undefined;
  const read = async (name: string): Promise<NdArray> =>
    parseNpy(await zip.read(`${name}.npy`), `Array "${name}" of ${path}`);
  const [mean, covariance] = [await read(meanName), await read(covarianceName)];
  const size = mean.shape[0];
  if (mean.shape.length !== 1 || covariance.shape.join() !== `${size},${size}`)
    throw new Error(
      `"${meanName}" and "${covarianceName}" of ${path} must be [n] and [n, n], got [${mean.shape.join(", ")}] and [${covariance.shape.join(", ")}]`,
    );
  const numbers = ({ data }: NdArray): Float64Array => Float64Array.from(data as ArrayLike<number>);
  return { mean: numbers(mean), covariance: numbers(covariance) };
}
