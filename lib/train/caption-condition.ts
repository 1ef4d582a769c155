/** What a text-to-image network is told: captions of some images as its condition. */
import { CAPTIONS, type Captions, type CaptionsIndex, firstCaptions } from "../data/captions.ts";
import type { Condition, Network } from "../models/network.ts";
import { tf } from "../tensor/tf.ts";
import { tidyTree } from "../tensor/tree.ts";

/** The scale of guidance that the text-to-image experiments of REPA's and SRA's papers sample with. */
export const TEXT_GUIDANCE = 2;

/** The number of an image's first caption; of fewer images than are asked for they are taken in turn. */
const inTurn = ({ images }: Pick<CaptionsIndex, "images">, image: number): number => image % images.length;

/** What some images are to be of: the first caption of each. */
export async function captionCondition(
  { conditionOf }: Pick<Network, "conditionOf">,
  captions: Captions,
  numbers: readonly number[],
): Promise<Condition> {
  const values = await firstCaptions(
    captions,
    numbers.map((image) => inTurn(captions, image)),
  );
  const rows = numbers.length;
  return tidyTree(() =>
    conditionOf(tf.zeros([rows], "int32"), {
      [CAPTIONS]: tf.tensor(values, [rows, ...captions.features.shape]),
    }),
  );
}

/** The same captions in words. */
export const captionTexts = (
  captions: Pick<CaptionsIndex, "texts" | "images">,
  numbers: readonly number[],
): string[] => numbers.map((image) => captions.texts[captions.images[inTurn(captions, image)][0]]);
