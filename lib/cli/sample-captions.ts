/** What a text-to-image model draws: captions of a folder, or texts that are given. */
import { CAPTIONS, type Captions, captionsOfTexts, firstCaptions, openCaptions } from "../data/index.ts";
import type { Condition, Network } from "../models/index.ts";
import { tf } from "../tensor/tf.ts";
import { tidyTree } from "../tensor/tree.ts";
import { openTextEncoder } from "../text/index.ts";
import type { SampleOptions } from "./sampler-options.ts";

async function encodedTexts(texts: readonly string[], folder: string): Promise<Captions> {
  const encoder = await openTextEncoder(folder);
  try {
    return await captionsOfTexts(texts, encoder);
  } finally {
    await encoder.dispose();
  }
}

/** Captions for a network that is told them, if the options name any. @throws where they do not go together. */
export async function captionsFor(
  { captions: folder, prompt, encoder }: SampleOptions,
  { name, arrays }: Network,
): Promise<Captions | undefined> {
  if (folder !== undefined && prompt !== undefined)
    throw new Error("--captions and --prompt both say what is drawn; expected one of them");
  if ((prompt === undefined) !== (encoder === undefined))
    throw new Error("--prompt is a text that --encoder makes features of; expected both");
  if ((folder ?? prompt) === undefined) return undefined;
  const expected = arrays?.[CAPTIONS];
  if (!expected) throw new Error(`the ${name} is told no captions; expected no --captions and no --prompt`);
  const captions = folder !== undefined ? await openCaptions(folder) : await encodedTexts(prompt!, encoder!);
  const { shape } = captions.features;
  if (`${shape}` === `${expected}`) return captions;
  await captions.features.close();
  throw new Error(`${captions.name} has features of [${shape}], but the ${name} expects [${expected}]`);
}

/** What some images are to be of: the first caption of each. Of fewer captions than images they are taken in turn. */
export async function captionCondition(
  { conditionOf }: Network,
  captions: Captions,
  numbers: readonly number[],
): Promise<Condition> {
  const known = captions.images.length;
  const values = await firstCaptions(
    captions,
    numbers.map((image) => image % known),
  );
  const rows = numbers.length;
  return tidyTree(() =>
    conditionOf(tf.zeros([rows], "int32"), {
      [CAPTIONS]: tf.tensor(values, [rows, ...captions.features.shape]),
    }),
  );
}
