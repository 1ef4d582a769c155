import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseIdx, readIdx } from "../../lib/data/index.ts";
import { ndarray } from "../../lib/io/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const good = bytes(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6);

test("reads plain and gzipped files", async () => {
  const folder = await temporaryFolder();
  for (const [name, content] of [
    ["a", good],
    ["b", gzipSync(good)],
  ] as const) {
    await writeFile(join(folder, name), content);
    assert.equal(await readIdx(join(folder, name)), ndarray(bytes(1, 2, 3, 4, 5, 6), [2, 3]));
  }
});

test("reads the big-endian element types", () => {
  const header = (code: number) => [0, 0, code, 1, 0, 0, 0, 1];
  assert.equal(parseIdx(bytes(...header(9), 0xff), "a").data, Int8Array.of(-1));
  assert.equal(parseIdx(bytes(...header(11), 1, 2), "a").data, Int16Array.of(0x0102));
  assert.equal(parseIdx(bytes(...header(12), 0, 0, 1, 2), "a").data, Int32Array.of(0x0102));
  assert.equal(parseIdx(bytes(...header(13), 0x3f, 0x80, 0, 0), "a").data, Float32Array.of(1));
  assert.equal(parseIdx(bytes(...header(14), 0xbf, 0xf0, 0, 0, 0, 0, 0, 0), "a").data, Float64Array.of(-1));
});

test("names the file and what is wrong with it", async () => {
  const cases: [Uint8Array, RegExp][] = [
    [good.subarray(0, 3), /^x-idx is truncated: it has 3 bytes/],
    [good.subarray(0, 9), /^x-idx is truncated: its header has 12 bytes, got 9/],
    [good.subarray(0, 17), /^x-idx is truncated: \[2, 3\] of uint8 has 6 bytes, got 5/],
    [Buffer.concat([good, bytes(0)]), /^x-idx has trailing bytes: .* has 6 bytes, got 7/],
    [Buffer.from("<html>"), /^x-idx is not an IDX file: it starts with 0x3c68746d/],
    [bytes(0, 0, 10, 1, 0, 0, 0, 0), /^x-idx has the unsupported IDX element type 0x0a/],
    [bytes(0, 0, 8, 3, ...new Array(12).fill(255)), /^x-idx cannot have the shape \[4294967295,/],
  ];
  for (const [content, pattern] of cases) assert.throws(() => parseIdx(content, "x-idx"), pattern);
  const path = join(await temporaryFolder(), "x.gz");
  await rejects(readIdx(path), /x\.gz: there is no such file/);
  await writeFile(path, gzipSync(good).subarray(0, 20));
  await rejects(readIdx(path), /x\.gz cannot be decompressed: unexpected end of file/);
});

test.run();
