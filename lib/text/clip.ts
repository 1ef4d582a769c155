/** CLIP's text encoder (Radford et al. 2021) by the parameter names of its published files: captions' features. */
import { multiHeadAttention } from "../nn/attention.ts";
import { exactGelu } from "../nn/fused.ts";
import { layerNorm, linear } from "../nn/layers.ts";
import { check, count, oneOf, positive, z } from "../schema.ts";
import { type Params, param } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

/** What an encoder's `config.json` says of its text half, by the published names, with the published defaults. */
export const clipTextConfig = z.looseObject({
  vocab_size: count("Tokens that there are.").default(49_408),
  hidden_size: count("Width of the features.").default(512),
  intermediate_size: count("Width inside the MLPs.").default(2048),
  num_hidden_layers: count("Layers.").default(12),
  num_attention_heads: count("Attention heads.").default(8),
  max_position_embeddings: count("Tokens of a text.").default(77),
  hidden_act: oneOf(["quick_gelu", "gelu"], "What lies between an MLP's layers.").default("quick_gelu"),
  layer_norm_eps: positive("Added to a variance.").default(1e-5),
});

export interface CLIPTextConfig {
  vocabulary: number;
  width: number;
  mlpWidth: number;
  layers: number;
  heads: number;
  /** Tokens of a text, padded. */
  tokens: number;
  epsilon: number;
  activation: "quick_gelu" | "gelu";
}

/** An encoder's `config.json`, of the whole CLIP or of its text half alone. @throws naming every field that does not fit. */
export function parseCLIPText(json: unknown, path: string): CLIPTextConfig {
  const isObject = typeof json === "object" && json !== null;
  const own = isObject && "text_config" in json ? json.text_config : json;
  check(clipTextConfig as z.ZodType, own, path);
  const config = clipTextConfig.parse(own);
  if (config.hidden_size % config.num_attention_heads !== 0)
    throw new RangeError(
      `${path}: hidden_size must be a multiple of num_attention_heads ${config.num_attention_heads}, got ${config.hidden_size}`,
    );
  return {
    vocabulary: config.vocab_size,
    width: config.hidden_size,
    mlpWidth: config.intermediate_size,
    layers: config.num_hidden_layers,
    heads: config.num_attention_heads,
    tokens: config.max_position_embeddings,
    epsilon: config.layer_norm_eps,
    activation: config.hidden_act,
  };
}

/** What the names of all parameters begin with. */
export const CLIP_TEXT = "text_model";
const layerName = (index: number): string => `${CLIP_TEXT}.encoder.layers.${index}`;

/** The shape of every parameter by its published name. */
export function clipTextShapes(config: CLIPTextConfig): Record<string, number[]> {
  const { width, mlpWidth } = config;
  const shapes: Record<string, number[]> = {
    [`${CLIP_TEXT}.embeddings.token_embedding.weight`]: [config.vocabulary, width],
    [`${CLIP_TEXT}.embeddings.position_embedding.weight`]: [config.tokens, width],
  };
  const layer = (name: string, inSize: number, outSize: number): void => {
    shapes[`${name}.weight`] = [outSize, inSize];
    shapes[`${name}.bias`] = [outSize];
  };
  const norm = (name: string): void => {
    shapes[`${name}.weight`] = [width];
    shapes[`${name}.bias`] = [width];
  };
  for (let i = 0; i < config.layers; i++) {
    const name = layerName(i);
    norm(`${name}.layer_norm1`);
    for (const part of ["q", "k", "v", "out"]) layer(`${name}.self_attn.${part}_proj`, width, width);
    norm(`${name}.layer_norm2`);
    layer(`${name}.mlp.fc1`, width, mlpWidth);
    layer(`${name}.mlp.fc2`, mlpWidth, width);
  }
  norm(`${CLIP_TEXT}.final_layer_norm`);
  return shapes;
}

/** Which tokens a token sees: itself and those before it, bool [1,T,T]. */
function causalMask(tokens: number): Tensor {
  const values = Uint8Array.from({ length: tokens * tokens }, (_, i) =>
    i % tokens <= Math.floor(i / tokens) ? 1 : 0,
  );
  return tf.tensor3d(values, [1, tokens, tokens], "bool");
}

/**
 * The last hidden states of texts: token ids [B,T] int32 -> [B,T,width], behind the last normalization. Padding is seen as
 * any other token is, as where the features are trained on.
 */
export function clipTextFeatures(params: Params, config: CLIPTextConfig, ids: Tensor): Tensor {
  const tokens = ids.shape[1]!;
  const mask = causalMask(tokens);
  const activate = (x: Tensor): Tensor =>
    config.activation === "quick_gelu" ? tf.mul(x, tf.sigmoid(tf.mul(x, 1.702))) : exactGelu(x);
  const norm = (name: string, x: Tensor): Tensor => layerNorm(params, name, x, config.epsilon);
  const positions = param(params, `${CLIP_TEXT}.embeddings.position_embedding.weight`);
  let x = tf.add(
    tf.gather(param(params, `${CLIP_TEXT}.embeddings.token_embedding.weight`), ids),
    tf.slice(positions, [0, 0], [tokens, config.width]),
  );
  for (let i = 0; i < config.layers; i++) {
    const name = layerName(i);
    const seen = norm(`${name}.layer_norm1`, x);
    const [q, k, v] = ["q", "k", "v"].map((part) => linear(params, `${name}.self_attn.${part}_proj`, seen));
    x = tf.add(
      x,
      linear(params, `${name}.self_attn.out_proj`, multiHeadAttention(q, k, v, config.heads, mask)),
    );
    const inner = activate(linear(params, `${name}.mlp.fc1`, norm(`${name}.layer_norm2`, x)));
    x = tf.add(x, linear(params, `${name}.mlp.fc2`, inner));
  }
  return norm(`${CLIP_TEXT}.final_layer_norm`, x);
}
