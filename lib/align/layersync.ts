/**
 * LayerSync (arXiv 2510.12581): a shallow block of the student is drawn to a deep one of the same pass, which is held
 * constant. No head, no teacher, no parameters.
 */
import { withoutGradient } from "../nn/fused.ts";
import { count, z } from "../schema.ts";
import { tf } from "../tensor/tf.ts";
import { meanCosine } from "./distances.ts";
import { blockFault, type Method, type Setting, weight } from "./method.ts";

export const layerSyncConfig = z.strictObject({
  method: z.literal("layersync"),
  weight,
  block: count("The shallow block, which learns, counted from 1."),
  targetBlock: count("The deep block that it learns from; above `block`, and below the last fifth of all."),
});
export type LayerSyncConfig = z.infer<typeof layerSyncConfig>;

/** The method: -1 times the mean cosine of the tokens of both blocks, from -1 to 1. */
export const layerSync = ({ weight, block, targetBlock }: LayerSyncConfig, { network }: Setting): Method => ({
  name: "layersync",
  weight,
  // The released command's own defaults align a block with itself, which has no gradient worth having.
  faults:
    targetBlock > block
      ? blockFault("targetBlock", targetBlock, network)
      : [["targetBlock", `above block ${block}`]],
  taps: [block, targetBlock],
  loss: ({ features: [shallow, deep] }) => tf.neg(meanCosine(shallow, withoutGradient(deep))),
  describe: () => ({ block, "target block": targetBlock }),
});
