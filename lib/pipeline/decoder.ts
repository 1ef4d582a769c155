/** Latents as images, by the VAE that made them. */
import { type NdArray, ndarray, type PublishedOptions, pathOrPublished, toTensor } from "../io/index.ts";
import type { Tensor4D } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import { downsampling, latentDecoder, readVAE } from "../vae/index.ts";

export interface ImageDecoder {
  /** Latents [count,C,h,w] as values [count,3,H,W], about -1 to 1. */
  decode(latents: NdArray<"float32">): Promise<NdArray<"float32">>;
  dispose(): Promise<void>;
}

/**
 * The VAE in a folder of diffusers' files, or published under a name, as a function of latents of so many channels.
 * @throws where its latents have another number of channels.
 */
export async function imageDecoder(
  vae: string,
  channels: number,
  options: PublishedOptions = {},
): Promise<ImageDecoder> {
  const model = await readVAE(await pathOrPublished(vae, options));
  const { latentChannels } = model.config;
  if (latentChannels !== channels) {
    disposeTree(model.params);
    throw new Error(`the VAE in ${vae} has ${latentChannels} channels of latents, the model ${channels}`);
  }
  const decoder = latentDecoder(model);
  const scale = downsampling(model.config);
  return {
    async dispose() {
      disposeTree(model.params);
      await decoder.dispose();
    },
    async decode(latents) {
      const [count, , height, width] = latents.shape;
      const z = toTensor(latents) as Tensor4D;
      const data = await decoder.decode(z).finally(() => z.dispose());
      return ndarray(data as Float32Array<ArrayBuffer>, [count, 3, height * scale, width * scale]);
    },
  };
}
