/** Latents larger than memory has room for: decoded in tiles that overlap, and blended along a line. */
import { type Tensor, tf } from "../tensor/tf.ts";

export interface TileOptions {
  /** Side of a tile, in latents. Default: 64, which is 512 pixels. */
  tile?: number;
  /** Share of a tile that it has in common with the next one. Default: a quarter. */
  overlap?: number;
  /** Pixels of a side for each latent: `downsampling` of the VAE. Default: 8. */
  scale?: number;
}

/** The first `extent` rows (axis 2) or columns (axis 3) of `next`, faded in over the last ones of `before`. */
function blend(before: Tensor, next: Tensor, axis: 2 | 3, extent: number): Tensor {
  const width = Math.min(before.shape[axis]!, next.shape[axis]!, extent);
  const cut = (x: Tensor, begin: number, size: number): Tensor => {
    const [begins, sizes] = [[0, 0, 0, 0], [...x.shape]];
    [begins[axis], sizes[axis]] = [begin, size];
    return tf.slice(x, begins, sizes);
  };
  const shape = axis === 2 ? [1, 1, width, 1] : [1, 1, 1, width];
  const share = tf.tensor(
    Float32Array.from({ length: width }, (_, i) => i / width),
    shape,
  );
  const last = cut(before, before.shape[axis]! - width, width);
  const faded = tf.add(tf.mul(last, tf.sub(1, share)), tf.mul(cut(next, 0, width), share));
  return tf.concat([faded, cut(next, width, next.shape[axis]! - width)], axis);
}

/**
 * Decodes latents [B,C,h,w] in tiles with `decode`, a function of latents, plain or compiled (at the edges tiles are
 * smaller, and compiled apart); as diffusers' `tiled_decode` does. Latents of one tile are decoded as they are.
 * @returns images [B,3,scale h,scale w]
 * @throws when the tile or the overlap is out of range.
 */
export async function decodeTiled(
  decode: (latents: Tensor) => Tensor | Promise<Tensor>,
  latents: Tensor,
  { tile = 64, overlap = 0.25, scale = 8 }: TileOptions = {},
): Promise<Tensor> {
  const stride = Math.floor(tile * (1 - overlap));
  if (!Number.isInteger(tile) || tile < 1)
    throw new RangeError(`tile must be a positive integer, got ${tile}`);
  if (!(overlap >= 0 && overlap < 1) || stride < 1)
    throw new RangeError(`overlap must be from 0 to below 1, and leave a latent of a tile, got ${overlap}`);
  const [batch, channels, height, width] = latents.shape as [number, number, number, number];
  if (height <= tile && width <= tile) return decode(latents);
  const extent = Math.floor(tile * scale * overlap);
  const kept = tile * scale - extent;
  const starts = (size: number): number[] =>
    Array.from({ length: Math.ceil(size / stride) }, (_, i) => i * stride);
  const rows: Tensor[][] = [];
  const made: Tensor[] = [];
  try {
    for (const top of starts(height)) {
      const row: Tensor[] = [];
      for (const left of starts(width)) {
        const size = [batch, channels, Math.min(tile, height - top), Math.min(tile, width - left)];
        const part = tf.slice(latents, [0, 0, top, left], size);
        made.push(part);
        row.push(await decode(part));
        made.push(row[row.length - 1]);
      }
      rows.push(row);
    }
    return joined(rows, extent, kept, [height * scale, width * scale]);
  } finally {
    tf.dispose(made);
  }
}

/** Tiles as one image: each faded in over the one above and the one before, of which `kept` pixels are left. */
const joined = (
  rows: Tensor[][],
  extent: number,
  kept: number,
  [height, width]: [height: number, width: number],
): Tensor =>
  tf.tidy(() => {
    const bands = rows.map((row, i) => {
      const blended = row.map((image, j) => {
        const down = i > 0 ? blend(rows[i - 1][j], image, 2, extent) : image;
        rows[i][j] = down;
        return down;
      });
      const across = blended.map((image, j) => {
        if (j > 0) rows[i][j] = blend(rows[i][j - 1], image, 3, extent);
        return rows[i][j];
      });
      return tf.concat(
        across.map((image) => {
          const [b, c, h, w] = image.shape as [number, number, number, number];
          return tf.slice(image, [0, 0, 0, 0], [b, c, Math.min(kept, h), Math.min(kept, w)]);
        }),
        3,
      );
    });
    const image = tf.concat(bands, 2);
    return tf.slice(image, [0, 0, 0, 0], [image.shape[0], image.shape[1]!, height, width]);
  });
