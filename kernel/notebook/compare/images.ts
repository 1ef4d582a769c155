/** Images by type, size and pixels. */
import type { Tolerance } from "./numbers.ts";

/** How far a channel of a pixel may be off, of 255: encoders and fonts differ by less from version to version. */
const CHANNEL = 8;
/** The share of pixels that may be further off. */
const SHARE = 0.001;

async function pixelsOf(base64: string) {
  const { default: sharp } = await import("sharp");
  const image = sharp(Buffer.from(base64, "base64")).ensureAlpha().toColourspace("srgb");
  return image.raw().toBuffer({ resolveWithObject: true });
}

/** How two images of one type differ; nothing if they look the same. What is no image is compared as text. */
export async function diffOfImages(
  expected: string,
  actual: string,
  tolerance: Tolerance,
): Promise<string[]> {
  const clean = (base64: string) => base64.replace(/\s/g, "");
  if (clean(expected) === clean(actual)) return [];
  let images: Awaited<ReturnType<typeof pixelsOf>>[];
  try {
    images = await Promise.all([expected, actual].map(pixelsOf));
  } catch (error) {
    return [`the images differ, and one cannot be read: ${(error as Error).message}`];
  }
  const [theirs, ours] = images;
  const [wanted, came] = images.map(({ info }) => `${info.width} x ${info.height}`);
  if (wanted !== came) return [`${wanted} pixels expected, ${came} came`];
  const { channels, width, height } = theirs.info;
  let off = 0;
  for (let at = 0; at < theirs.data.length; at += channels) {
    let worst = 0;
    for (let i = at; i < at + channels; i++) worst = Math.max(worst, Math.abs(theirs.data[i] - ours.data[i]));
    if (worst > CHANNEL) off++;
  }
  const share = off / (width * height);
  if (share <= Math.max(SHARE, tolerance ?? 0)) return [];
  return [`${off} of ${width * height} pixels differ (${(share * 100).toPrecision(2)} %)`];
}
