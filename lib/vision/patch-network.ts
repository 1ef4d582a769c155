/** What an image encoder is made of: a network of patches, compiled here or exported elsewhere. */

/** Means and standard deviations of the colours, red, green and blue, from 0 to 1, that a network was trained with. */
export interface Colours {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/** ImageNet's, which DINOv2, MAE and MoCo v3 were trained with. */
export const IMAGENET: Colours = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

export interface PatchNetwork {
  /** Images that are encoded together; fewer are filled up, as another number would be another program to compile. */
  readonly batch: number;
  /** Of an image, in pixels. */
  readonly side: number;
  readonly colours: Colours;
  /** Of what it makes of an image. */
  readonly shape: readonly number[];
  readonly fingerprint: string;
  /** Pixels [batch,3,side,side] -> [batch,...shape]. */
  run(pixels: Float32Array<ArrayBuffer>): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** `batch` where the network leaves the choice. */
export const BATCH = 8;
