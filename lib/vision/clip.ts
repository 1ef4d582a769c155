/** CLIP's image encoder (Radford et al. 2021) by the parameter names of its published files, and the pixels that it takes. */
import { type Pixels, pillowResize } from "../data/pillow-resize.ts";
import { patchEmbedding } from "../nn/embeddings.ts";
import { layerNorm } from "../nn/layers.ts";
import { check, count, z } from "../schema.ts";
import { type Params, param } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import {
  type CLIPLayers,
  clipLayerShapes,
  clipLayers,
  clipLayersConfig,
  layersOf,
  normShapes,
} from "../text/clip-layers.ts";

/** What a CLIP's `config.json` says of its image half, by the published names, with the published defaults. */
const clipVisionConfig = z.looseObject({
  image_size: count("Side of the images.").default(224),
  patch_size: count("Side of the patches.").default(32),
  ...clipLayersConfig({ width: 768, mlpWidth: 3072, heads: 12 }),
});

export interface CLIPVisionConfig extends CLIPLayers {
  /** Of the images, in pixels. */
  side: number;
  patchSize: number;
}

/** The image half of a whole CLIP's `config.json`. @throws naming every field that does not fit. */
export function parseCLIPVision(json: unknown, path: string): CLIPVisionConfig {
  const own = typeof json === "object" && json !== null && "vision_config" in json && json.vision_config;
  if (!own) throw new Error(`${path} has no vision_config; expected that of a whole CLIP`);
  check(clipVisionConfig as z.ZodType, own, `${path}: vision_config`);
  const config = clipVisionConfig.parse(own);
  if (config.image_size % config.patch_size !== 0)
    throw new RangeError(
      `${path}: image_size must be a multiple of patch_size ${config.patch_size}, got ${config.image_size}`,
    );
  return { side: config.image_size, patchSize: config.patch_size, ...layersOf(config, path) };
}

const MODEL = "vision_model";
const PATCHES = `${MODEL}.embeddings.patch_embedding`;
/** As published, spelling included. */
const FIRST_NORM = `${MODEL}.pre_layrnorm`;

/** The shape of every parameter by its published name. */
export const clipVisionShapes = (config: CLIPVisionConfig): Record<string, number[]> => {
  const { width, patchSize, side } = config;
  return {
    [`${MODEL}.embeddings.class_embedding`]: [width],
    [`${PATCHES}.weight`]: [width, 3, patchSize, patchSize],
    [`${MODEL}.embeddings.position_embedding.weight`]: [(side / patchSize) ** 2 + 1, width],
    ...normShapes(FIRST_NORM, width),
    ...clipLayerShapes(MODEL, config),
    ...normShapes(`${MODEL}.post_layernorm`, width),
  };
};

/** What the class token has become of prepared images: x [B,3,side,side] -> [B,width]. */
export function clipImageFeatures(params: Params, config: CLIPVisionConfig, x: Tensor): Tensor {
  const { width, epsilon, patchSize } = config;
  const [batch] = x.shape;
  const norm = (name: string, y: Tensor): Tensor => layerNorm(params, name, y, epsilon);
  const patches = patchEmbedding(
    { ...params, [`${PATCHES}.bias`]: tf.zeros([width]) },
    PATCHES,
    x,
    patchSize,
  );
  const first = tf.reshape(param(params, `${MODEL}.embeddings.class_embedding`), [1, 1, width]);
  const tokens = tf.add(
    tf.concat([tf.tile(first, [batch, 1, 1]), patches], 1),
    param(params, `${MODEL}.embeddings.position_embedding.weight`),
  );
  const last = clipLayers(params, MODEL, config, norm(FIRST_NORM, tokens));
  return norm(
    `${MODEL}.post_layernorm`,
    tf.reshape(tf.slice(last, [0, 0, 0], [batch, 1, width]), [batch, width]),
  );
}

/** Means and standard deviations of the colours that CLIP was trained with. */
const MEAN = [0.48145466, 0.4578275, 0.40821073];
const DEVIATION = [0.26862954, 0.26130258, 0.27577711];

/**
 * Pixels as CLIP's processor prepares them, [3,side,side]: the shorter side resized by Pillow's bicubic, the middle of the
 * longer one, and normalized.
 */
export function clipPixels(image: Pixels, side: number): Float32Array<ArrayBuffer> {
  const { width, height } = image;
  const shorter = Math.min(width, height);
  const sized = (length: number): number =>
    length === shorter ? side : Math.trunc((side * length) / shorter);
  const [across, down] = [sized(width), sized(height)];
  const left = Math.floor((across - side) / 2);
  const top = Math.floor((down - side) / 2);
  const { data } = pillowResize(image, across, down, "bicubic", { left, top, width: side, height: side });
  const area = side * side;
  const values = new Float32Array(3 * area);
  for (let i = 0; i < area; i++)
    for (let c = 0; c < 3; c++) values[c * area + i] = (data[3 * i + c] / 255 - MEAN[c]) / DEVIATION[c];
  return values;
}
