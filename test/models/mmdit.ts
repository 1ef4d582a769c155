/** The text-to-image network of the fixtures (`mmdit` of fixtures/methods/config.json), with its weights. */
import { type MMDiTConfig, makeNetwork } from "../../lib/models/index.ts";
import { type Params, tf } from "../../lib/tensor/index.ts";
import { arrays, weights } from "../parity.ts";

export const MMDIT: MMDiTConfig = {
  type: "mmdit",
  inputSize: 8,
  patchSize: 2,
  inChannels: 4,
  hiddenSize: 24,
  depth: 3,
  numHeads: 3,
  mlpRatio: 4,
  textWidth: 20,
  textTokens: 7,
};
export const network = makeNetwork(MMDIT);
export const given = await arrays("methods/mmdit-loss.npz");

/** What the fixtures' file does not have: the table of positions, and the features of the empty caption. */
const fixed: Params = {
  pos_embed: network.fixed!.pos_embed(),
  null_context: tf.tensor(given.null_context.data as Float32Array, [7, 20]),
};
/** With the projector of REPA. */
export const params: Params = { ...fixed, ...(await weights("methods/mmdit-model.safetensors")) };
export const own: Params = Object.fromEntries(
  Object.keys(network.shapes).map((name) => [name, params[name]]),
);
