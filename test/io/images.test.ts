import { join } from "node:path";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type Images,
  ndarray,
  readNpz,
  readSamplesNpz,
  toUint8Images,
  writeNpz,
  writePngGrid,
  writeSamplesNpz,
} from "../../lib/io/index.ts";
import { rejects, temporaryFolder } from "./helpers.ts";

const folder = await temporaryFolder();
const path = join(folder, "x.png");
const images = (shape: number[], ...data: number[]): Images => ndarray(Uint8Array.from(data), shape);

test("turns model outputs into pixels as ADM and SiT do", () => {
  const values = Float32Array.of(-1, 0, 1, -2, 2, 0.5, -0.003, Number.POSITIVE_INFINITY);
  const pixels = toUint8Images(values, [8, 1, 1, 1]);
  assert.equal([...pixels.data], [0, 128, 255, 0, 255, 191, 127, 255]);
  assert.equal(pixels.shape, [8, 1, 1, 1]);
  // In float64 this value would stay below 128 and give 127; the reference computes in float32.
  assert.is(toUint8Images(Float32Array.of(-1e-9), [1, 1, 1, 1]).data[0], 128);
});

test("or as REPA and SRA do, rounded down", () => {
  const values = Float32Array.of(-1, 0, 1, -2, 2, 0.5, -0.003, 3.5 / 127.5 - 1, Number.POSITIVE_INFINITY);
  const pixels = toUint8Images(values, [9, 1, 1, 1], "down");
  assert.equal([...pixels.data], [0, 127, 255, 0, 255, 191, 127, 3, 255]);
});

test("moves channels last", () => {
  const values = Float32Array.from([10, 20, 30, 40, 50, 60], (value) => (value + 0.5 - 128) / 127.5);
  const pixels = toUint8Images(values, [1, 3, 1, 2]);
  assert.equal(pixels, images([1, 1, 2, 3], 10, 30, 50, 20, 40, 60));
});

test("names the image that holds NaN, and shapes that do not fit", () => {
  assert.throws(() => toUint8Images(Float32Array.of(0, Number.NaN), [2, 1, 1, 1]), /Image 1 holds NaN/);
  assert.throws(() => toUint8Images(new Float32Array(3), [2, 1, 1, 1]), /NCHW, got \[2, 1, 1, 1\] for 3/);
  assert.throws(() => toUint8Images(new Float32Array(3), [3]), /NCHW/);
});

test("lays out a grey grid", async () => {
  await writePngGrid(path, images([3, 1, 2, 1], 1, 2, 3, 4, 5, 6), { columns: 2, scale: 2, gap: 1 });
  const { data, info } = await sharp(path).toColourspace("b-w").raw().toBuffer({ resolveWithObject: true });
  assert.is((await sharp(path).metadata()).channels, 1);
  assert.equal([info.width, info.height, info.channels], [9, 5, 1]);
  const rows = Array.from({ length: 5 }, (_, y) => [...data.subarray(y * 9, y * 9 + 9)]);
  const top = [1, 1, 2, 2, 255, 3, 3, 4, 4];
  const bottom = [5, 5, 6, 6, 255, 255, 255, 255, 255];
  assert.equal(rows, [top, top, new Array(9).fill(255), bottom, bottom]);
});

test("lays out a coloured grid, square by default", async () => {
  const four = images([4, 1, 1, 3], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
  await writePngGrid(path, four, { gap: 0 });
  const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
  assert.equal([info.width, info.height, info.channels], [2, 2, 3]);
  assert.equal([...data], [...four.data]);
});

test("refuses what is no grid", async () => {
  const one = images([1, 1, 1, 1], 0);
  await rejects(
    writePngGrid(path, images([1, 1, 1, 2], 0, 0)),
    /x\.png: expected images .*got \[1, 1, 1, 2\]/,
  );
  await rejects(writePngGrid(path, images([0, 1, 1, 1])), /no images/);
  await rejects(writePngGrid(path, one, { columns: 0 }), /columns .*at least 1, got 0/);
  await rejects(writePngGrid(path, one, { scale: 1.5 }), /scale .*got 1.5/);
  await rejects(writePngGrid(path, one, { gap: -1 }), /gap .*got -1/);
});

test("writes samples for ADM's evaluator, grey repeated to three channels", async () => {
  const file = join(folder, "samples.npz");
  await writeSamplesNpz(file, images([2, 1, 2, 1], 1, 2, 3, 4));
  assert.equal(Object.keys(await readNpz(file)), ["arr_0"]);
  assert.equal(await readSamplesNpz(file), images([2, 1, 2, 3], 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4));
  const colour = images([1, 1, 1, 3], 7, 8, 9);
  await writeSamplesNpz(file, colour);
  assert.equal(await readSamplesNpz(file), colour);
});

test("names samples in another format", async () => {
  const file = join(folder, "other.npz");
  await writeNpz(file, { x: images([1, 1, 1, 3], 7, 8, 9) });
  await rejects(readSamplesNpz(file), /other\.npz has no array "arr_0"/);
  await writeNpz(file, { arr_0: ndarray(new Float32Array(3), [1, 1, 1, 3]) });
  await rejects(readSamplesNpz(file), /other\.npz must be uint8 .*got float32 \[1, 1, 1, 3\]/);
});

test.run();
