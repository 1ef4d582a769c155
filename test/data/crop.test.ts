/** Resizing and cropping against Pillow: recorded results always, Pillow itself where there is one. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  centerCrop,
  decodeImage,
  encodePng,
  type PillowFilter,
  type Pixels,
  pillowResize,
  pillowResizeFloat,
} from "../../lib/data/index.ts";
import { fixture, rejects } from "../io/helpers.ts";
import { pythonJson, pythonWith } from "../python.ts";

/** Blocks of three by three pixels with numbers of a linear congruential generator: edges, and smooth insides. */
function picture(width: number, height: number, seed: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) {
        const block = Math.floor(y / 3) * 1009 + Math.floor(x / 3) * 9176 + c * 131 + seed;
        data[(y * width + x) * 3 + c] = (Math.imul(block, 1664525) + 1013904223) >>> 24;
      }
  return { data, width, height };
}

const hash = ({ data }: Pixels): string => createHash("sha256").update(data).digest("hex").slice(0, 16);

/** The same pictures, resized (or, with a filter of "crop", cropped as ADM does) by Pillow. */
const SCRIPT = `
import hashlib, json, sys
from PIL import Image
def picture(width, height, seed):
    image = Image.new("RGB", (width, height))
    image.putdata([tuple(((((y // 3) * 1009 + (x // 3) * 9176 + c * 131 + seed) * 1664525 + 1013904223) & 0xFFFFFFFF) >> 24
        for c in range(3)) for y in range(height) for x in range(width)])
    return image
def crop(image, size):
    while min(*image.size) >= 2 * size:
        image = image.resize(tuple(x // 2 for x in image.size), resample=Image.BOX)
    scale = size / min(*image.size)
    image = image.resize(tuple(round(x * scale) for x in image.size), resample=Image.BICUBIC)
    left, top = (image.size[0] - size) // 2, (image.size[1] - size) // 2
    return image.crop((left, top, left + size, top + size))
def result(width, height, seed, to, filter):
    image = picture(width, height, seed)
    out = crop(image, to[0]) if filter == "crop" else image.resize(to, resample=getattr(Image, filter.upper()))
    return hashlib.sha256(out.tobytes()).hexdigest()[:16]
print(json.dumps([result(*case) for case in json.loads(sys.argv[1])]))
`;

type Case = [
  width: number,
  height: number,
  seed: number,
  to: [number, number],
  filter: PillowFilter | "crop",
];

const ours = ([width, height, seed, to, filter]: Case): string => {
  const image = picture(width, height, seed);
  return hash(filter === "crop" ? centerCrop(image, to[0]) : pillowResize(image, ...to, filter));
};

test("resizes and crops as recorded from Pillow, bit by bit", () => {
  const recorded: { case: Case; hash: string }[] = JSON.parse(readFileSync(fixture("pillow.json"), "utf8"));
  assert.ok(recorded.length > 20);
  for (const { case: each, hash } of recorded) assert.is(ours(each), hash, JSON.stringify(each));
});

const pillow = pythonWith("PIL");
(pillow ? test : test.skip)("resizes and crops as Pillow does, at random sizes (Pillow)", () => {
  const random = (most: number): number => 1 + Math.floor(Math.random() * most);
  const cases = Array.from({ length: 60 }, (_, i): Case => {
    const filter = (["box", "bicubic", "crop"] as const)[i % 3];
    const most = filter === "crop" ? 24 : 60;
    return [random(90), random(90), random(1e6), [random(most), random(most)], filter];
  });
  const theirs = pythonJson(pillow!, SCRIPT, JSON.stringify(cases)) as string[];
  for (const [i, each] of cases.entries()) assert.is(ours(each), theirs[i], JSON.stringify(each));
});

const FLOATS = `
import json, sys
${SCRIPT.slice(SCRIPT.indexOf("from PIL"), SCRIPT.indexOf("def crop"))}
width, height, seed, to = json.loads(sys.argv[1])
channels = [channel.convert("F").resize(to, resample=Image.BICUBIC) for channel in picture(width, height, seed).split()]
print(json.dumps([list(channel.getdata()) for channel in channels]))
`;
(pillow ? test : test.skip)("resizes floats as Pillow does, beyond 0 and 255 (Pillow)", () => {
  for (const [width, height, to] of [
    [32, 32, [75, 75]],
    [40, 30, [17, 23]],
    [20, 20, [20, 31]],
  ] as const) {
    const theirs = pythonJson(pillow!, FLOATS, JSON.stringify([width, height, 5, to])) as number[][];
    const ours = pillowResizeFloat(picture(width, height, 5), to[0], to[1], "bicubic");
    assert.ok(ours.some((value) => value < 0) && ours.some((value) => value > 255));
    for (const [c, channel] of theirs.entries())
      for (const [i, value] of channel.entries())
        assert.ok(Math.abs(ours[i * 3 + c] - value) < 1e-3, `${ours[i * 3 + c]} ${value}`);
  }
});

test("closed forms: flat images stay flat, halving takes means, a box of the result is a part of it", () => {
  const flat = { data: new Uint8Array(17 * 11 * 3).fill(93), width: 17, height: 11 };
  for (const filter of ["box", "bicubic"] as const)
    assert.ok(pillowResize(flat, 5, 23, filter).data.every((value) => value === 93));

  const image = picture(8, 6, 5);
  const at = ({ data, width }: Pixels, x: number, y: number, c: number): number =>
    data[(y * width + x) * 3 + c];
  const half = pillowResize(image, 4, 3, "box");
  for (let y = 0; y < 3; y++)
    for (let x = 0; x < 4; x++)
      for (let c = 0; c < 3; c++) {
        const mean = (row: number) =>
          Math.floor((at(image, 2 * x, row, c) + at(image, 2 * x + 1, row, c) + 1) / 2);
        assert.is(at(half, x, y, c), Math.floor((mean(2 * y) + mean(2 * y + 1) + 1) / 2));
      }

  const large = picture(40, 30, 1);
  const whole = pillowResize(large, 23, 17, "bicubic");
  const box = { left: 3, top: 5, width: 11, height: 9 };
  const part = pillowResize(large, 23, 17, "bicubic", box);
  for (let y = 0; y < 9; y++)
    for (let x = 0; x < 11; x++) assert.is(at(part, x, y, 1), at(whole, x + 3, y + 5, 1));
  assert.equal(pillowResize(large, 40, 30, "box").data, large.data);
  assert.equal([centerCrop(large, 8).width, centerCrop(large, 8).height], [8, 8]);
});

test("decodes to RGB as Pillow converts: grey repeated, transparency and rotation ignored", async () => {
  const grey = await sharp(Buffer.from([10, 20, 30, 40]), { raw: { width: 2, height: 2, channels: 1 } })
    .png()
    .toBuffer();
  assert.equal(
    [...(await decodeImage(grey)).data],
    [10, 20, 30, 40].flatMap((v) => [v, v, v]),
  );

  const clear = await sharp(Buffer.from([1, 2, 3, 0, 4, 5, 6, 128]), {
    raw: { width: 2, height: 1, channels: 4 },
  })
    .png()
    .toBuffer();
  assert.equal([...(await decodeImage(clear)).data], [1, 2, 3, 4, 5, 6]);

  const image = picture(12, 9, 3);
  const turned = await sharp(await encodePng(image))
    .withMetadata({ orientation: 6 })
    .png()
    .toBuffer();
  assert.equal((await decodeImage(turned)).data, image.data);
  assert.equal((await decodeImage(await encodePng(image))).data, image.data);
});

test("names what does not fit", async () => {
  const image = picture(4, 4, 0);
  assert.throws(() => centerCrop(image, 0), /size must be an integer of at least 1, got 0/);
  assert.throws(() => pillowResize(image, 2.5, 2, "box"), /An image's size .* got 2.5/);
  assert.throws(() => pillowResize({ ...image, width: 5 }, 2, 2, "box"), /Expected 60 values .* got 48/);
  const box = { left: 1, top: 0, width: 2, height: 2 };
  assert.throws(() => pillowResize(image, 2, 2, "box", box), /leaves an image of 2 x 2/);
  await rejects(decodeImage(Buffer.from("no image")), /unsupported image format/);
  const jpeg = await sharp(image.data, { raw: { width: 4, height: 4, channels: 3 } })
    .jpeg()
    .toBuffer();
  await rejects(decodeImage(jpeg.subarray(0, jpeg.length - 20)), /./);
});

test.run();
