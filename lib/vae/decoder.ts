/** A VAE's decoder, compiled once, as sampling and evaluation use it. */
import { jit } from "../jit/index.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, type Tensor4D, tf } from "../tensor/tf.ts";
import { decode } from "./autoencoder.ts";
import { downsampling } from "./config.ts";
import type { VAE } from "./load.ts";
import { decodeTiled } from "./tiled.ts";

export interface LatentDecoder {
  /**
   * @param latents [B,4,h,w], scaled as diffusion has them (SD-VAE)
   * @returns values of [B,3,8h,8w], about -1 to 1
   */
  decode(latents: Tensor4D): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/**
 * The decoder of a VAE, image by image, and in tiles what is larger than 64 latents: its largest layers take hundreds of
 * megabytes.
 */
export function latentDecoder({ config, params }: VAE): LatentDecoder {
  const compiled = jit((params: Params, z: Tensor) => decode(params, config, z), { name: "decode" });
  const scale = downsampling(config);
  return {
    async decode(latents) {
      const images: Float32Array[] = [];
      for (const latent of tf.split(latents, latents.shape[0])) {
        const image = await decodeTiled((tile) => compiled(params, tile), latent, { scale });
        images.push((await image.data()) as Float32Array);
        tf.dispose([latent, image]);
      }
      const all = new Float32Array(images.reduce((sum, { length }) => sum + length, 0));
      let position = 0;
      for (const image of images) {
        all.set(image, position);
        position += image.length;
      }
      return all;
    },
    dispose: () => compiled.dispose(),
  };
}
