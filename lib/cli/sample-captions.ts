/** What a text-to-image model draws: captions of a folder, or texts that are given. */
import { CAPTIONS, type Captions, captionsOfTexts, openCaptions } from "../data/index.ts";
import type { Network } from "../models/index.ts";
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
