/** An image encoder: pixels in, features of patches out, as REPA's training takes them. */
import type { Pixels } from "../data/pillow-resize.ts";
import { contentOfParams, fingerprint } from "../fingerprint.ts";
import { inBatches } from "../in-batches.ts";
import { jit } from "../jit/index.ts";
import { type Params, sizeOf } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import { bicubic } from "./bicubic.ts";
import { type DINOv2Config, dinov2Attention, dinov2Features } from "./dinov2.ts";
import { openOnnxNetwork } from "./onnx-encoder.ts";
import { BATCH, type Colours, IMAGENET, type PatchNetwork } from "./patch-network.ts";
import { readDINOv2 } from "./weights.ts";

export interface ImageEncoder {
  /**
   * Of what it makes of an image: patches and the width of their features, 256 and 768 of DINOv2-B with 16 x 16 patches; of
   * attention [2 blocks, heads, patches, size].
   */
  readonly shape: readonly number[];
  /** The blocks whose attention it makes; absent where it makes features. */
  readonly attention?: readonly number[];
  /** What it makes of square RGB images of one size, one after the other, [images.length, ...shape]. */
  encode(images: readonly Pixels[]): Promise<Float32Array>;
  /** What tells its weights from any others. */
  fingerprint(): Promise<string>;
  dispose(): Promise<void>;
}

export interface ImageEncoderOptions {
  /** Patches along a side: as many as the network has tokens along one. Default: 16, of 256 pixels; 512 has 32. */
  grid?: number;
  /** Blocks, counted from 1, whose queries and keys it makes instead of features. */
  attention?: readonly number[];
}

/** RGB pixels as an encoder takes them: [3,side,side], normalized, then resized. */
export function normalizedPixels(
  { data, width, height }: Pixels,
  side: number,
  { mean, deviation }: Colours = IMAGENET,
): Float32Array<ArrayBuffer> {
  const area = width * height;
  const values = new Float32Array(3 * area);
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 3; c++) values[c * area + i] = (data[3 * i + c] / 255 - mean[c]) / deviation[c];
  return bicubic(values, [3, height, width], [side, side]);
}

/** The position table for another grid: the first row, of the class token, as it is, the others resized with antialiasing. */
export function resizedPositions(table: Tensor, from: number, to: number): Tensor {
  if (from === to) return tf.clone(table);
  const width = table.shape[2]!;
  const [first, others]: Tensor[] = tf.split(table, [1, from ** 2], 1);
  const planes = tf.transpose(tf.reshape(others, [from ** 2, width]));
  const values = bicubic(planes.dataSync(), [width, from, from], [to, to], { antialias: true });
  const resized = tf.transpose(tf.tensor2d(values, [width, to ** 2]));
  return tf.concat([first, tf.reshape(resized, [1, to ** 2, width])], 1);
}

/** DINOv2 by its weights (see `readDINOv2`), compiled. */
async function openDINOv2(
  path: string,
  grid: number,
  attention: readonly number[] | undefined,
): Promise<PatchNetwork> {
  const { config, params: stored } = await readDINOv2(path);
  const unknown = attention?.find((block) => !(block >= 1 && block <= config.depth));
  if (unknown !== undefined)
    throw new Error(
      `${path} has blocks 1 to ${config.depth}; expected attention of some of them, got ${unknown}`,
    );
  const key = fingerprint(await contentOfParams(stored), 16);
  const params = tf.tidy(
    (): Params => ({ ...stored, pos_embed: resizedPositions(stored.pos_embed, config.grid, grid) }),
  );
  stored.pos_embed.dispose();
  const seen: DINOv2Config = { ...config, grid };
  const side = grid * config.patchSize;
  const features = jit(
    (params: Params, x: Tensor) =>
      attention ? dinov2Attention(params, seen, x, attention) : dinov2Features(params, seen, x),
    { name: "imageFeatures" },
  );
  const { heads, width } = config;
  return {
    ...{ batch: BATCH, side, colours: IMAGENET, fingerprint: key },
    shape: attention ? [2 * attention.length, heads, grid ** 2, width / heads] : [grid ** 2, width],
    async run(values) {
      const x = tf.tensor(values, [BATCH, 3, side, side]);
      const output = await features(params, x);
      try {
        return (await output.data()) as Float32Array;
      } finally {
        tf.dispose([x, output]);
      }
    },
    async dispose() {
      disposeTree(params);
      await features.dispose();
    },
  };
}

/**
 * Opens an encoder for images of any size, which it sees at `grid` times its patches' size: of 256 pixels DINOv2 sees 224, as
 * REPA does. DINOv2 is read from its weights (`readDINOv2`); any encoder of patches from an ONNX file (`.onnx`), whose
 * attention cannot be asked for.
 */
export async function openImageEncoder(
  path: string,
  { grid = 16, attention }: ImageEncoderOptions = {},
): Promise<ImageEncoder> {
  if (!path.endsWith(".onnx")) return encoderOf(await openDINOv2(path, grid, attention), attention);
  if (attention)
    throw new Error(`${path} gives features alone; expected DINOv2's weights, of which attention is made`);
  return encoderOf(await openOnnxNetwork(path, grid));
}

function encoderOf(network: PatchNetwork, attention?: readonly number[]): ImageEncoder {
  const { batch, side, shape, colours } = network;
  const ofBatch = (images: readonly Pixels[]): Promise<Float32Array> => {
    const size = 3 * side ** 2;
    const values = new Float32Array(batch * size);
    for (const [i, image] of images.entries()) values.set(normalizedPixels(image, side, colours), i * size);
    return network.run(values);
  };

  return {
    shape,
    ...(attention && { attention }),
    async encode(images) {
      for (const { width, height } of images)
        if (width !== height)
          throw new Error(`the image encoder takes square images, got ${width} x ${height}`);
      return inBatches(images, { batch, size: sizeOf(shape) }, ofBatch);
    },
    fingerprint: async () => network.fingerprint,
    dispose: network.dispose,
  };
}
