/** AutoencoderKL's two networks, on images and latents [B,C,H,W]. */
import { multiHeadAttention } from "../nn/attention.ts";
import { silu } from "../nn/fused.ts";
import { conv2d, upsampleConv2d } from "../nn/images.ts";
import { linear } from "../nn/layers.ts";
import { type Params, param } from "../tensor/params.ts";
import { namedScope } from "../tensor/scope.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { downsampling, type VAEConfig } from "./config.ts";

const NORM_EPSILON = 1e-6;
const [LOWEST_LOG_VARIANCE, HIGHEST_LOG_VARIANCE] = [-30, 20];

/** Per channel, for [B,C,H,W]. */
const channels = (values: Tensor): Tensor => tf.reshape(values, [1, -1, 1, 1]);

/** A convolution of 3x3 that keeps the size. */
const conv = (params: Params, name: string, x: Tensor): Tensor => conv2d(params, name, x, { padding: 1 });

/** Normalizes each of the groups of channels, with a weight and a bias for each channel. */
function groupNorm(params: Params, name: string, x: Tensor, groups: number): Tensor {
  const [batch, width] = x.shape;
  const grouped = tf.reshape(x, [batch, groups, -1]);
  const centered = tf.sub(grouped, tf.mean(grouped, 2, true));
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centered), 2, true), NORM_EPSILON));
  const weight = tf.reshape(param(params, `${name}.weight`), [1, groups, width / groups]);
  // One factor for each channel, so that the images are passed over once.
  const gain = tf.reshape(tf.mul(weight, inverse), [batch, width, 1, 1]);
  return tf.add(tf.mul(tf.reshape(centered, x.shape), gain), channels(param(params, `${name}.bias`)));
}

function resnet(params: Params, name: string, x: Tensor, { normGroups }: VAEConfig): Tensor {
  return namedScope(name, () => {
    const first = conv(params, `${name}.conv1`, silu(groupNorm(params, `${name}.norm1`, x, normGroups)));
    const second = conv(params, `${name}.conv2`, silu(groupNorm(params, `${name}.norm2`, first, normGroups)));
    const shortcut = params[`${name}.conv_shortcut.weight`] ? conv2d(params, `${name}.conv_shortcut`, x) : x;
    return tf.add(shortcut, second);
  });
}

/** Self-attention of all positions, with one head. */
function attention(params: Params, name: string, x: Tensor, { normGroups }: VAEConfig): Tensor {
  return namedScope(name, () => {
    const [batch, width, height, columns] = x.shape;
    const normalized = groupNorm(params, `${name}.group_norm`, x, normGroups);
    const tokens = tf.transpose(tf.reshape(normalized, [batch, width, height * columns]), [0, 2, 1]);
    const [q, k, v] = ["q", "k", "v"].map((part) => linear(params, `${name}.to_${part}`, tokens));
    const attended = linear(params, `${name}.to_out.0`, multiHeadAttention(q, k, v, 1));
    return tf.add(x, tf.reshape(tf.transpose(attended, [0, 2, 1]), x.shape));
  });
}

function middle(params: Params, name: string, x: Tensor, config: VAEConfig): Tensor {
  const first = resnet(params, `${name}.resnets.0`, x, config);
  const attended = attention(params, `${name}.attentions.0`, first, config);
  return resnet(params, `${name}.resnets.1`, attended, config);
}

const lastLayer = (params: Params, name: string, x: Tensor, { normGroups }: VAEConfig): Tensor =>
  conv(params, `${name}.conv_out`, silu(groupNorm(params, `${name}.conv_norm_out`, x, normGroups)));

function checkInput(x: Tensor, what: string, count: number, multiple: number): void {
  const [, channels, height, width] = x.shape;
  if (x.rank !== 4 || channels !== count || height % multiple !== 0 || width % multiple !== 0) {
    const sides = multiple > 1 ? `, sides multiples of ${multiple}` : "";
    throw new Error(`${what} must be [batch,${count},height,width]${sides}, got [${x.shape}]`);
  }
}

/** The distribution of an image's latents, before they are scaled. */
export interface Posterior {
  /** [B,latentChannels,H/8,W/8] for SD_VAE. */
  mean: Tensor;
  /** Standard deviation, of the same shape. */
  std: Tensor;
}

/** Images x [B,3,H,W] from -1 to 1 as distributions of latents. Throws when the sides are no multiples of 8 (SD_VAE). */
export function encode(params: Params, config: VAEConfig, x: Tensor): Posterior {
  checkInput(x, "images for the VAE", config.inChannels, downsampling(config));
  const last = config.blockOutChannels.length - 1;
  let h = conv(params, "encoder.conv_in", x);
  for (let i = 0; i <= last; i++) {
    const block = `encoder.down_blocks.${i}`;
    for (let j = 0; j < config.layersPerBlock; j++) h = resnet(params, `${block}.resnets.${j}`, h, config);
    if (i === last) continue;
    h = conv2d(params, `${block}.downsamplers.0.conv`, h, { stride: 2, padding: [0, 1, 0, 1] });
  }
  h = middle(params, "encoder.mid_block", h, config);
  const moments = conv2d(params, "quant_conv", lastLayer(params, "encoder", h, config));
  const [mean, logVariance] = tf.split(moments, 2, 1);
  const clamped = tf.clipByValue(logVariance, LOWEST_LOG_VARIANCE, HIGHEST_LOG_VARIANCE);
  return { mean, std: tf.exp(tf.mul(clamped, 0.5)) };
}

/** Latents as diffusion takes them: (mean + std * noise) * scale, with standard normal noise of the mean's shape. */
export const samplePosterior = ({ mean, std }: Posterior, noise: Tensor, { scale }: VAEConfig): Tensor =>
  tf.mul(tf.add(mean, tf.mul(std, noise)), scale);

/** Latents of diffusion [B,4,h,w] (scaled) as images [B,3,8h,8w], about -1 to 1. */
export function decode(params: Params, config: VAEConfig, latents: Tensor): Tensor {
  checkInput(latents, "latents for the VAE", config.latentChannels, 1);
  const last = config.blockOutChannels.length - 1;
  let h = conv2d(params, "post_quant_conv", tf.div(latents, config.scale));
  h = middle(params, "decoder.mid_block", conv(params, "decoder.conv_in", h), config);
  for (let i = 0; i <= last; i++) {
    const block = `decoder.up_blocks.${i}`;
    for (let j = 0; j <= config.layersPerBlock; j++) h = resnet(params, `${block}.resnets.${j}`, h, config);
    if (i === last) continue;
    h = upsampleConv2d(params, `${block}.upsamplers.0.conv`, h);
  }
  return lastLayer(params, "decoder", h, config);
}
