/** Images that were sampled, as a value that notebooks show. */
import {
  type GridOptions,
  type Images,
  type NdArray,
  pngGrid,
  toUint8Images,
  writeAtomic,
} from "../io/index.ts";

/** Shown as their grid in notebooks, by a method named `Symbol.for("Jupyter.display")`. */
export interface Samples {
  /** Pixels [count,H,W,1 or 3] uint8; undefined of latents that no VAE has decoded. */
  readonly images: Images | undefined;
  /** What the sampler made, [count,C,h,w], about -1 to 1 or latents. */
  readonly latents: NdArray<"float32">;
  /** The class of each, where they were drawn by class. */
  readonly labels: readonly number[] | undefined;
  /** All images as one PNG, row by row. @throws where there are no pixels. */
  toPng(options?: GridOptions): Promise<Buffer>;
  /** The same as a file, written at once. */
  writePng(path: string, options?: GridOptions): Promise<void>;
}

/** Whether a network's own channels are those of an image. */
export const isPixels = (channels: number): boolean => channels === 1 || channels === 3;

/** `decoded` [count,3,H,W] is what a VAE made of the latents. */
export function samplesOf(
  latents: NdArray<"float32">,
  labels: readonly number[] | undefined,
  decoded?: NdArray<"float32">,
): Samples {
  const [count, channels, height, width] = latents.shape;
  // As the reference has them, pixels of a VAE are rounded down.
  const images = decoded
    ? toUint8Images(decoded.data, decoded.shape, "down")
    : isPixels(channels)
      ? toUint8Images(latents.data, latents.shape)
      : undefined;
  const toPng = async (options?: GridOptions): Promise<Buffer> => {
    if (!images)
      throw new Error(
        `a picture of ${channels} channels needs a VAE that makes images of them; expected the pipeline's option vae`,
      );
    return pngGrid(images, options);
  };
  return {
    images,
    latents,
    labels,
    toPng,
    writePng: async (path, options) => writeAtomic(path, await toPng(options)),
    async [Symbol.for("Jupyter.display")]() {
      if (!images)
        return {
          "text/plain": `${count} latents of ${channels} x ${height} x ${width}; a VAE makes images of them`,
        };
      const [, rows, columns] = images.shape;
      const classes = labels ? `, classes ${labels.join(", ")}` : "";
      return {
        "image/png": (await toPng()).toString("base64"),
        "text/plain": `${count} images of ${columns} x ${rows} pixels${classes}`,
      };
    },
  };
}
