/** The arrays of ADM's archives, a row at a time. */
import type { NdArray } from "../../io/ndarray.ts";
import { parseNpy, parseNpyHeader } from "../../io/npy.ts";
import { openZip, type Zip } from "../../io/zip.ts";
import type { GaussianStatistics } from "../stats.ts";
import type { ImageFiles } from "./batch.ts";

/** The first axis of `arr_0`. */
export interface NpzRows {
  /** 0 where there is no `arr_0`, and statistics alone. */
  count: number;
  dtype: "uint8" | "float32";
  /** Of one row. */
  shape: number[];
  /** The bytes of one row after the other. */
  rows(): AsyncGenerator<Uint8Array>;
  statistics: ImageFiles["statistics"];
  close(): Promise<void>;
}

const DTYPES = { "|u1": ["uint8", 1], "<f4": ["float32", 4] } as const;

/**
 * Opens `arr_0`, uint8 `[count, height, width, 3]` or float32 `[count, channels, height, width]`, and the statistics
 * `mu`, `sigma`, `mu_s`, `sigma_s`.
 * @throws naming the archive, and what was expected.
 */
export async function openNpzRows(path: string): Promise<NpzRows> {
  const zip = await openZip(path, "an .npz archive");
  try {
    const statistics = {
      pool: await readStatistics(zip, path, "mu", "sigma"),
      spatial: await readStatistics(zip, path, "mu_s", "sigma_s"),
    };
    if (!zip.sizes.has("arr_0.npy")) {
      if (!statistics.pool) throw new Error(`${path} has neither images (arr_0) nor statistics (mu, sigma)`);
      const none = async function* () {};
      return { count: 0, dtype: "uint8", shape: [], rows: none, statistics, close: zip.close };
    }
    const name = `Array "arr_0" of ${path}`;
    const { descr, fortranOrder, shape, dataOffset } = await headerOf(zip, name);
    const [dtype, bytes] = DTYPES[descr as keyof typeof DTYPES] ?? [];
    const fits =
      dtype !== undefined && shape.length === 4 && shape.every((size) => size > 0) && !fortranOrder;
    if (!fits || (dtype === "uint8" && shape[3] !== 3))
      throw new Error(
        `${name} must be uint8 [count, height, width, 3], or float32 latents [count, channels, height, width], in row-major order, got ${descr} [${shape.join(", ")}]`,
      );
    const [count, ...rest] = shape;
    const size = rest.reduce((product, length) => product * length, bytes);
    const got = zip.sizes.get("arr_0.npy")! - dataOffset;
    if (got !== count * size) throw new Error(`${name} has ${got} bytes of values, expected ${count * size}`);
    return {
      count,
      dtype,
      shape: rest,
      async *rows() {
        yield* pieces(await zip.stream("arr_0.npy"), dataOffset, size);
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

async function headerOf(zip: Zip, name: string) {
  const stream = await zip.stream("arr_0.npy");
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    if (chunks.reduce((sum, { length }) => sum + length, 0) >= MOST_HEADER) break;
  }
  return parseNpyHeader(Buffer.concat(chunks), name);
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
