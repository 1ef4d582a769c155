/** The posterior of a VAE for every image, written once so that training need not encode. */
import { join } from "node:path";
import { contentOfParams, fingerprint } from "../fingerprint.ts";
import { exists } from "../io/files.ts";
import { formatNpy, ndarray, parseNpy, toFloat32, writeAtomic } from "../io/index.ts";
import type { Params } from "../tensor/params.ts";
import { downsampling, latentEncoder, type VAE } from "../vae/index.ts";
import { decodeImage } from "./crop.ts";
import {
  type BrokenImage,
  claimDestination,
  describeSource,
  finishDestination,
  messageOf,
  numberedName,
  type PrepareOptions,
  type PrepareResult,
} from "./destination.ts";
import type { Pixels } from "./pillow-resize.ts";
import { openSource, type Source } from "./sources.ts";
import { pixelTensor } from "./tensors.ts";

export interface PrepareLatentsOptions extends PrepareOptions {
  /** From `readVAE`. */
  vae: VAE;
}

/**
 * Encodes the images of a folder or ZIP archive, all of one size, and writes mean and standard deviation, one after the
 * other along channels, as `00000/img-mean-std-00000000.npy` (float32 `[8, H / 8, W / 8]`, not scaled) and so on, with
 * `dataset.json`. The next image is read while one is encoded. Broken images and reruns are as in `prepareImages`.
 * @throws as `prepareImages` does, also when the destination holds another VAE's latents; naming the image whose size
 * differs or is no multiple of 8, or whose latent is not finite.
 */
export async function prepareLatents(
  sourcePath: string,
  destination: string,
  { vae, signal, onProgress }: PrepareLatentsOptions,
): Promise<PrepareResult> {
  const source = await openSource(sourcePath);
  const encoder = latentEncoder(vae);
  try {
    const { files } = source;
    await claimDestination(destination, {
      kind: "latents",
      ...describeSource(source),
      vae: await encoderFingerprint(vae.params),
      scale: vae.config.scale,
    });
    const nameOf = (index: number): string => numberedName("img-mean-std-", index, "npy");
    const pending: number[] = [];
    for (let index = 0; index < files.length; index++)
      if (!(await exists(join(destination, nameOf(index))))) pending.push(index);
    const skipped = files.length - pending.length;
    const broken: BrokenImage[] = [];
    const check = sizeCheck(downsampling(vae.config));
    let written = 0;
    let next = readImage(source, pending[0]);
    for (const [i, index] of pending.entries()) {
      if (signal?.aborted) break;
      const image = await next;
      next = readImage(source, pending[i + 1]);
      const { name } = files[index];
      if (typeof image === "string") broken.push({ index, name, error: image });
      else {
        check(image, `${source.path}: ${name}`);
        const x = pixelTensor([image]);
        const values = await encoder.encode(x);
        x.dispose();
        if (!values.every(Number.isFinite))
          throw new Error(`The latent of ${name} of ${source.path} is not finite`);
        const factor = downsampling(vae.config);
        const shape = [2 * vae.config.latentChannels, image.height / factor, image.width / factor];
        await writeAtomic(join(destination, nameOf(index)), formatNpy(ndarray(values, shape)));
        written += 1;
      }
      onProgress?.(skipped + written + broken.length, files.length);
    }
    await next;
    return await finishDestination(destination, { source, nameOf, broken, written, skipped });
  } finally {
    await encoder.dispose();
    await source.close();
  }
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

/** An image, or why there is none; nothing for no index. It never rejects, for it may be awaited late or never. */
async function readImage(source: Source, index: number | undefined): Promise<Pixels | string> {
  if (index === undefined) return "";
  try {
    return await decodeImage(await source.read(source.files[index].name));
  } catch (error) {
    return messageOf(error);
  }
}

function sizeCheck(factor: number): (image: Pixels, name: string) => void {
  let first: { width: number; height: number; name: string } | undefined;
  return ({ width, height }, name) => {
    if (width % factor || height % factor)
      throw new Error(`${name} has ${width} x ${height} pixels, expected multiples of ${factor}`);
    first ??= { width, height, name };
    if (width !== first.width || height !== first.height)
      throw new Error(
        `${name} has ${width} x ${height} pixels, expected ${first.width} x ${first.height} as ${first.name} has`,
      );
  };
}
