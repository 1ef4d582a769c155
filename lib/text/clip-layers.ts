/** The layers that both halves of a CLIP are made of, by the parameter names of its published files. */
import { multiHeadAttention } from "../nn/attention.ts";
import { exactGelu } from "../nn/fused.ts";
import { linearShapes } from "../nn/init.ts";
import { layerNorm, linear } from "../nn/layers.ts";
import { count, oneOf, positive } from "../schema.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

export interface CLIPLayers {
  width: number;
  /** Width inside the MLPs. */
  mlpWidth: number;
  layers: number;
  heads: number;
  /** Added to a variance. */
  epsilon: number;
  activation: "quick_gelu" | "gelu";
}

/** What a half's `config.json` says of its layers, by the published names; what it leaves out has the published defaults. */
export const clipLayersConfig = (defaults: Pick<CLIPLayers, "width" | "mlpWidth" | "heads">) => ({
  hidden_size: count("Width of the features.").default(defaults.width),
  intermediate_size: count("Width inside the MLPs.").default(defaults.mlpWidth),
  num_hidden_layers: count("Layers.").default(12),
  num_attention_heads: count("Attention heads.").default(defaults.heads),
  hidden_act: oneOf(["quick_gelu", "gelu"], "What lies between an MLP's layers.").default("quick_gelu"),
  layer_norm_eps: positive("Added to a variance.").default(1e-5),
});

interface PublishedLayers {
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  hidden_act: "quick_gelu" | "gelu";
  layer_norm_eps: number;
}

/** The same by our names. @throws where the heads do not divide the width */
export function layersOf(config: PublishedLayers, path: string): CLIPLayers {
  if (config.hidden_size % config.num_attention_heads !== 0)
    throw new RangeError(
      `${path}: hidden_size must be a multiple of num_attention_heads ${config.num_attention_heads}, got ${config.hidden_size}`,
    );
  return {
    width: config.hidden_size,
    mlpWidth: config.intermediate_size,
    layers: config.num_hidden_layers,
    heads: config.num_attention_heads,
    epsilon: config.layer_norm_eps,
    activation: config.hidden_act,
  };
}

const layerName = (model: string, index: number): string => `${model}.encoder.layers.${index}`;

/** The shapes of a normalization's parameters. */
export const normShapes = (name: string, width: number): Record<string, number[]> => ({
  [`${name}.weight`]: [width],
  [`${name}.bias`]: [width],
});

/** The shape of every parameter of the layers by its published name. */
export function clipLayerShapes(
  model: string,
  { layers, width, mlpWidth }: CLIPLayers,
): Record<string, number[]> {
  const shapes: Record<string, number[]> = {};
  const layer = (name: string, inSize: number, outSize: number): void => {
    Object.assign(shapes, linearShapes([name], [inSize, outSize]));
  };
  for (let i = 0; i < layers; i++) {
    const name = layerName(model, i);
    Object.assign(shapes, normShapes(`${name}.layer_norm1`, width));
    for (const part of ["q", "k", "v", "out"]) layer(`${name}.self_attn.${part}_proj`, width, width);
    Object.assign(shapes, normShapes(`${name}.layer_norm2`, width));
    layer(`${name}.mlp.fc1`, width, mlpWidth);
    layer(`${name}.mlp.fc2`, mlpWidth, width);
  }
  return shapes;
}

/** All layers over tokens [B,T,width]; a mask bool [1,T,T] says which tokens a token sees. */
export function clipLayers(
  params: Params,
  model: string,
  config: CLIPLayers,
  tokens: Tensor,
  mask?: Tensor,
): Tensor {
  const activate = (x: Tensor): Tensor =>
    config.activation === "quick_gelu" ? tf.mul(x, tf.sigmoid(tf.mul(x, 1.702))) : exactGelu(x);
  let x = tokens;
  for (let i = 0; i < config.layers; i++) {
    const name = layerName(model, i);
    const seen = layerNorm(params, `${name}.layer_norm1`, x, config.epsilon);
    const [q, k, v] = ["q", "k", "v"].map((part) => linear(params, `${name}.self_attn.${part}_proj`, seen));
    const attended = multiHeadAttention(q, k, v, config.heads, mask);
    x = tf.add(x, linear(params, `${name}.self_attn.out_proj`, attended));
    const normalized = layerNorm(params, `${name}.layer_norm2`, x, config.epsilon);
    const inner = activate(linear(params, `${name}.mlp.fc1`, normalized));
    x = tf.add(x, linear(params, `${name}.mlp.fc2`, inner));
  }
  return x;
}
