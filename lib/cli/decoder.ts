/** Latents as images, for commands that are given a VAE: one that is published is downloaded with progress. */
import type { TransformerConfig } from "../models/index.ts";
import { imageDecoder as decoderOf, type ImageDecoder } from "../pipeline/index.ts";
import { loading } from "./download.ts";

export async function imageDecoder(
  vae: string,
  { inChannels }: Pick<TransformerConfig, "inChannels">,
): Promise<ImageDecoder> {
  const progress = loading();
  const decoder = await decoderOf(vae, inChannels, { onProgress: progress.onLoad });
  progress.end();
  return decoder;
}
