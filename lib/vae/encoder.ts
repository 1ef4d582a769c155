/** A VAE's encoder, compiled once, as data preparation and training use it. */
import { jit } from "../jit/index.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, type Tensor4D, tf } from "../tensor/tf.ts";
import { encode } from "./autoencoder.ts";
import type { VAE } from "./load.ts";
import { oneByOne } from "./one-by-one.ts";

export interface LatentEncoder {
  /**
   * Mean and standard deviation, one after the other along channels, not scaled.
   * @param images [B,3,H,W] from -1 to 1
   * @returns values of [B,8,H/8,W/8] (SD-VAE)
   */
  encode(images: Tensor4D): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** The encoder of a VAE. */
export function latentEncoder({ config, params }: VAE): LatentEncoder {
  const compiled = jit(
    (params: Params, x: Tensor) => {
      const { mean, std } = encode(params, config, x);
      return tf.concat([mean, std], 1);
    },
    { name: "encode" },
  );
  return {
    encode: (images) => oneByOne(images, (image) => compiled(params, image)),
    dispose: () => compiled.dispose(),
  };
}
