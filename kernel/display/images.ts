/** Images in the forms in which programs have them, as what a notebook shows. */
import type { MimeBundle } from "./sink.ts";

/** Pixels as browsers have them: RGBA, 8 bits, row by row. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Length width · height · 4. */
  readonly data: Uint8ClampedArray | Uint8Array;
}

/** The part of a `sharp` image that is needed. */
export interface SharpLike {
  png(): { toBuffer(): Promise<Uint8Array> };
  metadata(): Promise<unknown>;
}

const MAGIC: readonly [string, (bytes: Uint8Array) => boolean][] = [
  ["image/png", (b) => b[0] === 0x89 && b[1] === 0x50 && b[2] === 0x4e && b[3] === 0x47],
  ["image/jpeg", (b) => b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff],
  ["image/gif", (b) => b[0] === 0x47 && b[1] === 0x49 && b[2] === 0x46 && b[3] === 0x38],
  ["image/webp", (b) => latin(b, 0, 4) === "RIFF" && latin(b, 8, 12) === "WEBP"],
];

const latin = (bytes: Uint8Array, from: number, to: number) =>
  String.fromCharCode(...bytes.subarray(from, to));

/** The mime type of an encoded image, by its first bytes. */
export const imageType = (bytes: Uint8Array): string | undefined =>
  MAGIC.find(([, matches]) => matches(bytes))?.[0];

export const isSharp = (value: unknown): value is SharpLike =>
  typeof value === "object" &&
  value !== null &&
  typeof (value as SharpLike).png === "function" &&
  typeof (value as SharpLike).metadata === "function";

export const isPixels = (value: unknown): value is Pixels => {
  if (typeof value !== "object" || value === null) return false;
  const { width, height, data } = value as Pixels;
  return (
    (data instanceof Uint8ClampedArray || data instanceof Uint8Array) &&
    Number.isInteger(width) &&
    Number.isInteger(height) &&
    width > 0 &&
    data.length === width * height * 4
  );
};

const encoded = (type: string, bytes: Uint8Array): MimeBundle => ({
  [type]: Buffer.from(bytes).toString("base64"),
  "text/plain": `${type.slice("image/".length).toUpperCase()} image, ${bytes.length} bytes`,
});

export function bytesBundle(bytes: Uint8Array): MimeBundle {
  const type = imageType(bytes);
  if (!type) throw new TypeError("image: PNG, JPEG, GIF or WebP bytes expected, got others");
  return encoded(type, bytes);
}

export const sharpBundle = async (image: SharpLike): Promise<MimeBundle> =>
  encoded("image/png", await image.png().toBuffer());

export async function pixelsBundle({ width, height, data }: Pixels): Promise<MimeBundle> {
  const { default: sharp } = await import("sharp");
  const png = await sharp(data, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer();
  return { ...encoded("image/png", png), "text/plain": `image of ${width} x ${height} pixels` };
}
