/** CLIP's text encoder (Radford et al. 2021) by the parameter names of its published files: captions' features. */
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
} from "./clip-layers.ts";

/** What an encoder's `config.json` says of its text half, by the published names, with the published defaults. */
export const clipTextConfig = z.looseObject({
  vocab_size: count("Tokens that there are.").default(49_408),
  max_position_embeddings: count("Tokens of a text.").default(77),
  ...clipLayersConfig({ width: 512, mlpWidth: 2048, heads: 8 }),
});

export interface CLIPTextConfig extends CLIPLayers {
  vocabulary: number;
  /** Tokens of a text, padded. */
  tokens: number;
}

/** An encoder's `config.json`, of the whole CLIP or of its text half alone. @throws naming every field that does not fit. */
export function parseCLIPText(json: unknown, path: string): CLIPTextConfig {
  const isObject = typeof json === "object" && json !== null;
  const own = isObject && "text_config" in json ? json.text_config : json;
  check(clipTextConfig as z.ZodType, own, path);
  const config = clipTextConfig.parse(own);
  return {
    vocabulary: config.vocab_size,
    tokens: config.max_position_embeddings,
    ...layersOf(config, path),
  };
}

/** What the names of all parameters begin with. */
export const CLIP_TEXT = "text_model";

/** The shape of every parameter by its published name. */
export const clipTextShapes = (config: CLIPTextConfig): Record<string, number[]> => ({
  [`${CLIP_TEXT}.embeddings.token_embedding.weight`]: [config.vocabulary, config.width],
  [`${CLIP_TEXT}.embeddings.position_embedding.weight`]: [config.tokens, config.width],
  ...clipLayerShapes(CLIP_TEXT, config),
  ...normShapes(`${CLIP_TEXT}.final_layer_norm`, config.width),
});

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
  const positions = param(params, `${CLIP_TEXT}.embeddings.position_embedding.weight`);
  const embedded = tf.add(
    tf.gather(param(params, `${CLIP_TEXT}.embeddings.token_embedding.weight`), ids),
    tf.slice(positions, [0, 0], [tokens, config.width]),
  );
  const x = clipLayers(params, CLIP_TEXT, config, embedded, causalMask(tokens));
  return layerNorm(params, `${CLIP_TEXT}.final_layer_norm`, x, config.epsilon);
}
