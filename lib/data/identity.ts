/** What training data are, by content: the same wherever they lie and whatever they are called. */
import { fingerprint } from "../fingerprint.ts";
import type { ImageSet } from "./datasets.ts";

/** Kept with every checkpoint, so that a run goes on with the data that it began with. */
export interface DataIdentity {
  count: number;
  shape: readonly number[];
  classes: number;
  /** Of the content, or of samples of it where it is large; absent where the data cannot tell. */
  fingerprint?: string;
}

/** A short name for bytes and texts, in order; their lengths keep them from running into each other. */
export const contentHash = (parts: readonly (string | Uint8Array)[]): string =>
  fingerprint(
    parts.flatMap((part) => [`${part.length} `, part]),
    16,
  );

export const imageSetFingerprint = ({ images, labels, height, width, channels }: ImageSet): string =>
  contentHash([`${height} ${width} ${channels}`, images, labels]);

/** Positions, evenly spread, of what stands for the content of many files. */
export const spread = (count: number, most = 16): number[] =>
  count <= most
    ? Array.from({ length: count }, (_, i) => i)
    : Array.from({ length: most }, (_, i) => Math.floor((i * (count - 1)) / (most - 1)));

export const describeIdentity = ({ count, shape, classes, fingerprint }: DataIdentity): string =>
  `${count} examples of ${shape.join("x")} in ${classes} classes${fingerprint ? ` (${fingerprint})` : ""}`;

/** Whether two are the same, as far as both can tell. */
export const isSameData = (a: DataIdentity, b: DataIdentity): boolean =>
  a.count === b.count &&
  a.shape.join() === b.shape.join() &&
  a.classes === b.classes &&
  (a.fingerprint === undefined || b.fingerprint === undefined || a.fingerprint === b.fingerprint);
