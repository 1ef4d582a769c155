/** Patch, position, timestep and label embeddings. */
import { type Params, param } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { linear, siluMlp } from "./layers.ts";

/** x [B,C,H,W] -> tokens [B, (H/p)(W/p), D], row by row: the convolution of stride p as one matrix product. */
export function patchEmbedding(params: Params, name: string, x: Tensor, patchSize: number): Tensor {
  const [batch, channels, height, width] = x.shape;
  const [rows, columns] = [height / patchSize, width / patchSize];
  const grid = tf.reshape(x, [batch, channels, rows, patchSize, columns, patchSize]);
  const patches = tf.reshape(tf.transpose(grid, [0, 2, 4, 1, 3, 5]), [
    batch,
    rows * columns,
    channels * patchSize * patchSize,
  ]);
  const weight = param(params, `${name}.weight`);
  const flat = tf.reshape(weight, [weight.shape[0], channels * patchSize * patchSize]);
  return linear({ "patch.weight": flat, "patch.bias": param(params, `${name}.bias`) }, "patch", patches);
}

/** Tokens [B, rows*columns, p*p*C] (as the final layer writes them) -> image [B,C,H,W]. */
export function unpatchify(tokens: Tensor, patchSize: number, channels: number): Tensor {
  const [batch, count] = tokens.shape;
  const side = Math.sqrt(count);
  const grid = tf.reshape(tokens, [batch, side, side, patchSize, patchSize, channels]);
  return tf.reshape(tf.transpose(grid, [0, 5, 1, 3, 2, 4]), [
    batch,
    channels,
    side * patchSize,
    side * patchSize,
  ]);
}

/** The other way: images [B,C,H,W] -> the numbers of their patches [B,T,p p C], row, column, channel. */
export function patchesOf(images: Tensor, patchSize: number): Tensor {
  const [batch, channels, height, width] = images.shape;
  const [rows, columns] = [height / patchSize, width! / patchSize];
  const grid = tf.reshape(images, [batch, channels, rows, patchSize, columns, patchSize]);
  const count = patchSize ** 2 * channels;
  return tf.reshape(tf.transpose(grid, [0, 2, 4, 3, 5, 1]), [batch, rows * columns, count]);
}

const MAX_PERIOD = 10000;

/** Sinusoidal features of time: t [B] -> [B, size], cosines then sines, frequencies 10000^(-i/(size/2)). */
export function timestepFrequencies(t: Tensor, size = 256): Tensor {
  const half = size / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) =>
    Math.exp((-Math.log(MAX_PERIOD) * i) / half),
  );
  const angles = tf.mul(tf.reshape(tf.cast(t, "float32"), [-1, 1]), tf.tensor2d(frequencies, [1, half]));
  return tf.concat([tf.cos(angles), tf.sin(angles)], 1);
}

/** t [B] -> [B,D]. */
export const timestepEmbedding = (params: Params, name: string, t: Tensor): Tensor =>
  siluMlp(params, `${name}.mlp`, timestepFrequencies(t), "0", "2");

/** Class ids y [B] int32 -> [B,D]; the last row of the table is the null class. */
export function labelEmbedding(params: Params, name: string, y: Tensor): Tensor {
  // As an integer 0.7 would be class 0.
  if (y.dtype !== "int32") throw new Error(`class ids must be int32, got ${y.dtype} [${y.shape}]`);
  return tf.gather(param(params, `${name}.embedding_table.weight`), y);
}

/** Fixed 2-D sine-cosine position embedding [1, side*side, width]: half of the width for columns, half for rows. */
export function positionEmbedding(width: number, side: number): Tensor {
  const quarter = width / 4;
  const values = new Float32Array(side * side * width);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const start = (row * side + column) * width;
      for (let i = 0; i < quarter; i++) {
        const frequency = MAX_PERIOD ** (-i / quarter);
        values[start + i] = Math.sin(column * frequency);
        values[start + quarter + i] = Math.cos(column * frequency);
        values[start + 2 * quarter + i] = Math.sin(row * frequency);
        values[start + 3 * quarter + i] = Math.cos(row * frequency);
      }
    }
  }
  return tf.tensor(values, [1, side * side, width]);
}
