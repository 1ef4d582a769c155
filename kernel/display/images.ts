/** Images in the forms in which programs have them, as what a notebook shows. */
import type { MimeBundle } from "./sink.ts";
import { escapeHtml } from "./table.ts";

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
  clone?(): SharpLike;
  metadata(): Promise<unknown>;
}

const SVG = "image/svg+xml";

const MAGIC: readonly [string, (bytes: Uint8Array) => boolean][] = [
  ["image/png", (b) => b[0] === 0x89 && b[1] === 0x50 && b[2] === 0x4e && b[3] === 0x47],
  ["image/jpeg", (b) => b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff],
  ["image/gif", (b) => b[0] === 0x47 && b[1] === 0x49 && b[2] === 0x46 && b[3] === 0x38],
  ["image/webp", (b) => latin(b, 0, 4) === "RIFF" && latin(b, 8, 12) === "WEBP"],
  [
    SVG,
    (b) =>
      /^(\u00ef\u00bb\u00bf)?\s*(<\?xml[^>]*>\s*|<!--[\s\S]*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s/>]/.test(
        latin(b, 0, 2000),
      ),
  ],
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

export interface ImageOptions {
  /** Size on the page in CSS pixels; with one of them the other follows. */
  width?: number;
  height?: number;
  /** What the picture shows, for those who cannot see it. */
  alt?: string;
}

/** How an image is laid on the page: HTML, because a mime type has no place for it. */
function framed(type: string, base64: string, { width, height, alt }: ImageOptions): MimeBundle {
  const size = [
    width !== undefined && `width="${Number(width)}"`,
    height !== undefined && `height="${Number(height)}"`,
  ];
  const attributes = [`alt="${escapeHtml(alt ?? "")}"`, ...size].filter(Boolean).join(" ");
  return { "text/html": `<img ${attributes} src="data:${type};base64,${base64}">` };
}

function encoded(type: string, bytes: Uint8Array, options: ImageOptions = {}, what?: string): MimeBundle {
  const base64 = Buffer.from(bytes).toString("base64");
  const name = type === SVG ? "SVG" : type.slice("image/".length).toUpperCase();
  const text = options.alt ?? what ?? `${name} image, ${bytes.length} bytes`;
  if (Object.values(options).some((option) => option !== undefined))
    return { ...framed(type, base64, options), "text/plain": text };
  return { [type]: type === SVG ? new TextDecoder().decode(bytes) : base64, "text/plain": text };
}

export function bytesBundle(bytes: Uint8Array, options?: ImageOptions): MimeBundle {
  const type = imageType(bytes);
  if (!type) throw new TypeError("image: PNG, JPEG, GIF, WebP or SVG bytes expected, got others");
  return encoded(type, bytes, options);
}

/** A copy is asked for PNG: `png()` would change what the image itself is written as. */
export const sharpBundle = async (image: SharpLike, options?: ImageOptions): Promise<MimeBundle> =>
  encoded("image/png", await (image.clone?.() ?? image).png().toBuffer(), options);

export async function pixelsBundle(
  { width, height, data }: Pixels,
  options?: ImageOptions,
): Promise<MimeBundle> {
  const { default: sharp } = await import("sharp");
  const png = await sharp(data, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer();
  return encoded("image/png", png, options, `image of ${width} x ${height} pixels`);
}
