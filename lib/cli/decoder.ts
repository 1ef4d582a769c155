/** Latents as images, for commands that are given a VAE. */
import { type NdArray, ndarray, toTensor } from "../io/index.ts";
import type { TransformerConfig } from "../models/index.ts";
import type { Tensor4D } from "../tensor/tf.ts";
import { downsampling, latentDecoder, readVAE } from "../vae/index.ts";
import { fetched } from "./download.ts";

type Arrays = NdArray<"float32">;

/** The VAE in a folder as a function of latents. */
export async function imageDecoder(
  folder: string,
  { inChannels }: TransformerConfig,
): Promise<{ decode(latents: Arrays): Promise<Arrays>; dispose(): Promise<void> }> {
  const vae = await readVAE(await fetched(folder));
  if (vae.config.latentChannels !== inChannels)
    throw new Error(
      `the VAE in ${folder} has ${vae.config.latentChannels} channels of latents, the model ${inChannels}`,
    );
  const decoder = latentDecoder(vae);
  const scale = downsampling(vae.config);
  return {
    dispose: decoder.dispose,
    async decode(latents) {
      const [count, , height, width] = latents.shape;
      const z = toTensor(latents) as Tensor4D;
      const data = await decoder.decode(z);
      z.dispose();
      return ndarray(data, [count, 3, height * scale, width * scale]) as Arrays;
    },
  };
}
