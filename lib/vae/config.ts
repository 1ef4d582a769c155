/** AutoencoderKL, the autoencoder of latent diffusion (Rombach et al. 2022): its sizes and parameters by diffusers' names. */
import { normalInit } from "../nn/init.ts";
import { checkShapes, type Params } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { tf } from "../tensor/tf.ts";

export interface VAEConfig {
  /** Channels of images. */
  inChannels: number;
  latentChannels: number;
  /** Width at each resolution, the largest first; between two of them the resolution is halved. */
  blockOutChannels: readonly number[];
  /** Residual blocks at each resolution of the encoder; the decoder has one more. */
  layersPerBlock: number;
  normGroups: number;
  /** What latents are multiplied by for diffusion. */
  scale: number;
}

/** stabilityai/sd-vae-ft-ema and -mse: 256x256 images become latents of 4x32x32. */
export const SD_VAE: VAEConfig = {
  inChannels: 3,
  latentChannels: 4,
  blockOutChannels: [128, 256, 512, 512],
  layersPerBlock: 2,
  normGroups: 32,
  scale: 0.18215,
};

/** Pixels of a side for each of a latent's. */
export const downsampling = ({ blockOutChannels }: VAEConfig): number => 2 ** (blockOutChannels.length - 1);

const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) > 0;

/** A diffusers config.json as a config; throws one sentence that names the field, what was expected and what came. */
export function parseVAEConfig(json: unknown, path = "the VAE's config"): VAEConfig {
  const fail = (field: string, expected: string, got: unknown): never => {
    throw new Error(`${path}: ${field} must be ${expected}, got ${JSON.stringify(got)}`);
  };
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new Error(`${path} is no JSON object`);
  const fields = json as Record<string, unknown>;
  const count = (field: string, otherwise?: number): number => {
    const value = fields[field] ?? otherwise;
    return isCount(value) ? value : fail(field, "a positive integer", value);
  };
  const widths = fields.block_out_channels;
  if (!Array.isArray(widths) || widths.length === 0 || !widths.every(isCount))
    return fail("block_out_channels", "a list of positive integers", widths);
  for (const [field, kind] of [
    ["down_block_types", "DownEncoderBlock2D"],
    ["up_block_types", "UpDecoderBlock2D"],
  ] as const) {
    const types = fields[field] ?? widths.map(() => kind);
    if (!Array.isArray(types) || types.length !== widths.length || types.some((type) => type !== kind))
      fail(field, `${widths.length} times "${kind}"`, types);
  }
  const normGroups = count("norm_num_groups", 32);
  const odd = widths.find((width) => width % normGroups !== 0);
  if (odd !== undefined) fail("block_out_channels", `multiples of norm_num_groups ${normGroups}`, odd);
  if ((fields.act_fn ?? "silu") !== "silu") fail("act_fn", '"silu"', fields.act_fn);
  const scale = fields.scaling_factor ?? SD_VAE.scale;
  if (typeof scale !== "number" || !(scale > 0)) return fail("scaling_factor", "a positive number", scale);
  const inChannels = count("in_channels");
  if (count("out_channels", inChannels) !== inChannels)
    fail("out_channels", `in_channels ${inChannels}`, fields.out_channels);
  return {
    inChannels,
    latentChannels: count("latent_channels"),
    blockOutChannels: widths,
    layersPerBlock: count("layers_per_block"),
    normGroups,
    scale,
  };
}

/** The shape of every parameter by diffusers' name. */
export function vaeShapes(config: VAEConfig): Record<string, number[]> {
  const { inChannels, latentChannels, blockOutChannels: widths, layersPerBlock } = config;
  const shapes: Record<string, number[]> = {};
  const add = (name: string, weight: number[]): void => {
    shapes[`${name}.weight`] = weight;
    shapes[`${name}.bias`] = [weight[0]];
  };
  const conv = (name: string, from: number, to: number, size = 3): void => add(name, [to, from, size, size]);
  const resnet = (name: string, from: number, to: number): void => {
    add(`${name}.norm1`, [from]);
    conv(`${name}.conv1`, from, to);
    add(`${name}.norm2`, [to]);
    conv(`${name}.conv2`, to, to);
    if (from !== to) conv(`${name}.conv_shortcut`, from, to, 1);
  };
  const middle = (name: string, width: number): void => {
    resnet(`${name}.resnets.0`, width, width);
    add(`${name}.attentions.0.group_norm`, [width]);
    for (const part of ["to_q", "to_k", "to_v", "to_out.0"])
      add(`${name}.attentions.0.${part}`, [width, width]);
    resnet(`${name}.resnets.1`, width, width);
  };
  const last = widths.length - 1;
  const deepest = widths[last];

  conv("encoder.conv_in", inChannels, widths[0]);
  widths.forEach((width, i) => {
    const block = `encoder.down_blocks.${i}`;
    for (let j = 0; j < layersPerBlock; j++)
      resnet(`${block}.resnets.${j}`, j === 0 ? (widths[i - 1] ?? width) : width, width);
    if (i < last) conv(`${block}.downsamplers.0.conv`, width, width);
  });
  middle("encoder.mid_block", deepest);
  add("encoder.conv_norm_out", [deepest]);
  conv("encoder.conv_out", deepest, 2 * latentChannels);

  conv("decoder.conv_in", latentChannels, deepest);
  middle("decoder.mid_block", deepest);
  widths.toReversed().forEach((width, i, reversed) => {
    const block = `decoder.up_blocks.${i}`;
    for (let j = 0; j <= layersPerBlock; j++)
      resnet(`${block}.resnets.${j}`, j === 0 ? (reversed[i - 1] ?? width) : width, width);
    if (i < last) conv(`${block}.upsamplers.0.conv`, width, width);
  });
  add("decoder.conv_norm_out", [widths[0]]);
  conv("decoder.conv_out", widths[0], inChannels);

  conv("quant_conv", 2 * latentChannels, 2 * latentChannels, 1);
  conv("post_quant_conv", latentChannels, latentChannels, 1);
  return shapes;
}

/** Random parameters whose layers keep the size of what they get: for tests and measurements. */
export function initVAE(config: VAEConfig, random: RandomGenerator): Params {
  const init = (name: string, shape: number[]) => {
    if (name.endsWith(".bias")) return tf.zeros(shape);
    if (shape.length === 1) return tf.ones(shape);
    return normalInit(random, shape, 1 / Math.sqrt(shape.slice(1).reduce((product, d) => product * d, 1)));
  };
  return Object.fromEntries(
    Object.entries(vaeShapes(config)).map(([name, shape]) => [name, init(name, shape)]),
  );
}

/** Checks that shapes by name are those of a config; throws one error that lists all that does not fit. */
export const checkVAEShapes = (
  shapes: Readonly<Record<string, readonly number[]>>,
  config: VAEConfig,
  path: string,
): void => checkShapes(shapes, vaeShapes(config), `AutoencoderKL of ${path}`);
