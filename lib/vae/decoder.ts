/** A VAE's decoder, compiled once, as sampling and evaluation use it. */
import { jit } from "../jit/index.ts";
import type { Params } from "../tensor/params.ts";
import type { Tensor, Tensor4D } from "../tensor/tf.ts";
import { decode } from "./autoencoder.ts";
import { downsampling } from "./config.ts";
import type { VAE } from "./load.ts";
import { oneByOne } from "./one-by-one.ts";
import { decodeTiled } from "./tiled.ts";

export interface LatentDecoder {
  /**
   * @param latents [B,4,h,w], scaled as diffusion has them (SD-VAE)
   * @returns values of [B,3,8h,8w], about -1 to 1
   */
  decode(latents: Tensor4D): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** The decoder of a VAE, in tiles what is larger than 64 latents. */
export function latentDecoder({ config, params }: VAE): LatentDecoder {
  const compiled = jit((params: Params, z: Tensor) => decode(params, config, z), { name: "decode" });
  const scale = downsampling(config);
  return {
    decode: (latents) =>
      oneByOne(latents, (latent) => decodeTiled((tile) => compiled(params, tile), latent, { scale })),
    dispose: () => compiled.dispose(),
  };
}
