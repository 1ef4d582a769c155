import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type NdArray, ndarray, readSafetensors, writeSafetensors } from "../../lib/io/index.ts";
import { fixture, rejects, temporaryFolder } from "./helpers.ts";

const folder = await temporaryFolder();
const path = join(folder, "x.safetensors");

/** A file with a header of our choosing. */
async function write(header: unknown, data: Uint8Array, length?: bigint): Promise<void> {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  await writeFile(path, Buffer.concat([prefix, text, data]));
}

test("reads the reference's weights", async () => {
  const { tensors } = await readSafetensors(fixture("sit-model.safetensors"));
  const qkv = tensors["blocks.0.attn.qkv.weight"];
  assert.is(qkv.dtype, "float32");
  assert.equal(qkv.shape, [72, 24]);
  assert.ok((qkv.data as Float32Array).some((value) => value !== 0));
});

test("reads back what it writes, aligned, without temporary files", async () => {
  const tensors: Record<string, NdArray> = {
    bytes: ndarray(Uint8Array.of(1, 2, 3), [3]),
    flag: ndarray(Uint8Array.of(1), [], "bool"),
    wide: ndarray(Float64Array.of(Math.PI), [1, 1]),
    half: ndarray(Uint16Array.of(0x3c00), [1], "float16"),
    brain: ndarray(Uint16Array.of(0x3f80), [1], "bfloat16"),
    long: ndarray(BigInt64Array.of(-1n), [1]),
    none: ndarray(new Float32Array(0), [0, 4]),
    __proto: ndarray(Int32Array.of(7), [1]),
  };
  const target = join(folder, "new", "a.safetensors");
  await writeSafetensors(target, tensors, { step: "3" });
  const back = await readSafetensors(target);
  assert.equal(back.tensors, tensors);
  assert.equal(back.metadata, { step: "3" });
  assert.equal(await readdir(join(folder, "new")), ["a.safetensors"]);
  const file = await readFile(target);
  assert.is(Number(file.readBigUInt64LE(0)) % 8, 0);

  const widened = await readSafetensors(target, { widenHalf: true });
  assert.equal(widened.tensors.half, ndarray(Float32Array.of(1), [1]));
  assert.equal(widened.tensors.brain, ndarray(Float32Array.of(1), [1]));
  assert.is(widened.tensors.wide.dtype, "float64");
});

test("refuses to write what is no tensor", async () => {
  await rejects(writeSafetensors(path, { s: ndarray(["a"], [1]) }), /tensor "s" holds strings/);
  const wrong: NdArray = { shape: [3], dtype: "float32", data: new Float32Array(2) };
  await rejects(
    writeSafetensors(path, { wrong }),
    /x\.safetensors: tensor "wrong" has 2 elements, expected 3/,
  );
  await rejects(writeSafetensors(path, { __metadata__: ndarray(new Int8Array(1), [1]) }), /reserved/);
});

test("names the file and what is wrong with its frame", async () => {
  await rejects(readSafetensors(join(folder, "none")), /none: there is no such file/);
  await writeFile(path, new Uint8Array(7));
  await rejects(readSafetensors(path), /x\.safetensors .*7 bytes/);
  await write({}, new Uint8Array(0), 2n ** 63n);
  await rejects(readSafetensors(path), /header length would be 92233720368547/);
  await write({}, new Uint8Array(0), 100n);
  await rejects(readSafetensors(path), /x\.safetensors is truncated: its header has 100 bytes, got 2/);
  for (const text of ["[]", "null", '{"a":', "\xff\xff"]) {
    await write(text, new Uint8Array(0));
    await rejects(readSafetensors(path), /x\.safetensors is not a safetensors file: its header/);
  }
  await write({ __metadata__: { step: 3 } }, new Uint8Array(0));
  await rejects(readSafetensors(path), /metadata that are not strings/);
});

test("names the tensor that does not fit", async () => {
  const cases: [Record<string, unknown>, number, RegExp][] = [
    [{ a: { dtype: 4, shape: [4], data_offsets: [0, 4] } }, 4, /"a" .*invalid element type 4/],
    [{ a: { dtype: "F32", shape: [-1], data_offsets: [0, 4] } }, 4, /"a" .*invalid shape \[-1\]/],
    [{ a: { dtype: "F32", shape: 1, data_offsets: [0, 4] } }, 4, /"a" .*invalid shape 1/],
    [{ a: { dtype: "F32", shape: [1], data_offsets: [4, 0] } }, 4, /"a" .*invalid offsets/],
    [{ a: { dtype: "F32", shape: [1] } }, 4, /"a" .*invalid offsets/],
    [{ a: 3 }, 4, /"a" .*no description/],
    [{ a: { dtype: "F32", shape: [2], data_offsets: [0, 4] } }, 4, /"a" .*has 4 bytes, expected 8/],
    [{ a: { dtype: "F32", shape: [2], data_offsets: [0, 8] } }, 4, /is truncated: .*8 bytes, got 4/],
    [{ a: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }, 9, /trailing bytes: .*4 bytes, got 9/],
    [{ a: { dtype: "F32", shape: [1], data_offsets: [4, 8] } }, 8, /"a" .*leaves a gap/],
    [
      {
        a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
        b: { dtype: "F32", shape: [1], data_offsets: [4, 8] },
      },
      8,
      /"b" .*overlaps .*starts at 4, expected 8/,
    ],
  ];
  for (const [header, bytes, pattern] of cases) {
    await write(header, new Uint8Array(bytes));
    await rejects(readSafetensors(path), pattern, /x\.safetensors/);
  }
});

test("a name that all objects have is no element type", async () => {
  await write({ a: { dtype: "toString", shape: [4], data_offsets: [0, 4] } }, new Uint8Array(4));
  const { tensors } = await readSafetensors(path);
  assert.throws(() => tensors.a, /"a" .*the element type "toString", which is not read/);
});

test.run();
