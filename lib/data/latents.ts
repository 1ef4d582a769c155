/** The posterior of a VAE for every image, written once so that training need not encode. */
import { contentOfParams, fingerprint } from "../fingerprint.ts";
import { ndarray, parseNpy, toFloat32 } from "../io/index.ts";
import type { Params } from "../tensor/params.ts";
import { downsampling, latentEncoder, type VAE } from "../vae/index.ts";
import type { PrepareOptions, PrepareResult } from "./destination.ts";
import { openEncoded, sizeCheck } from "./encoded.ts";
import type { Pixels } from "./pillow-resize.ts";
import { type Preparation, runPreparation } from "./preparation.ts";
import { pixelTensor } from "./tensors.ts";

export interface PrepareLatentsOptions extends PrepareOptions {
  /** From `readVAE`. */
  vae: VAE;
}

/**
 * Encodes the images of a folder or ZIP archive, all of one size, and writes mean and standard deviation, one after the
 * other along channels, as `00000/img-mean-std-00000000.npy` (float32 `[8, H / 8, W / 8]`, not scaled) and so on, with
 * `dataset.json`. Broken images and reruns are as in `prepareImages`.
 * @throws as `prepareImages` does, also when the destination holds another VAE's latents; naming the image whose size
 * differs or is no multiple of 8, or whose latent is not finite.
 */
export async function prepareLatents(
  sourcePath: string,
  destination: string,
  { vae, ...options }: PrepareLatentsOptions,
): Promise<PrepareResult> {
  return runPreparation(destination, await openLatents(sourcePath, destination, vae), options);
}

/** What `prepareLatents` does, in parts. */
export async function openLatents(sourcePath: string, destination: string, vae: VAE): Promise<Preparation> {
  const factor = downsampling(vae.config);
  const weights = await encoderFingerprint(vae.params);
  const encoder = latentEncoder(vae);
  return openEncoded(sourcePath, destination, {
    description: { kind: "latents", vae: weights, scale: vae.config.scale },
    prefix: "img-mean-std-",
    batch: 1,
    check: sizeCheck(factor),
    async encode([image]: readonly Pixels[]) {
      const x = pixelTensor([image]);
      const values = await encoder.encode(x);
      x.dispose();
      return [ndarray(values, [2 * vae.config.latentChannels, image.height / factor, image.width / factor])];
    },
    dispose: () => encoder.dispose(),
  });
}

/**
 * A file of mean and standard deviation.
 * @returns `[2 C, H, W]`
 * @throws where the shape is another.
 */
export function parseMoments(bytes: Uint8Array, name: string): { data: Float32Array; shape: number[] } {
  const array = parseNpy(bytes, name);
  // The axis of a batch of one is allowed, as the reference's training does.
  const shape = array.shape.length === 4 && array.shape[0] === 1 ? array.shape.slice(1) : [...array.shape];
  if (array.dtype === "string" || shape.length !== 3 || shape[0] % 2 !== 0)
    throw new Error(
      `${name} must hold mean and standard deviation, numbers [2 C, H, W], got ${array.dtype} [${array.shape.join(", ")}]`,
    );
  return { data: toFloat32(array), shape };
}

/** One number for the weights that latents depend on. */
export const encoderFingerprint = async (params: Params): Promise<string> =>
  fingerprint(await contentOfParams(params, (name) => /^(encoder|quant_conv)\./.test(name)), 16);
