import { spawnSync } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { strToU8, zipSync } from "fflate";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type NdArray, ndarray, readNpz, scalarOf, writeNpz, writeNpzStream } from "../../lib/io/index.ts";
import { fixture, rejects, temporaryFolder } from "./helpers.ts";

const arrays: Record<string, NdArray> = {
  "a.b": ndarray(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]),
  count: ndarray(BigInt64Array.of(-5n), []),
  flags: ndarray(Uint8Array.of(1, 0), [2], "bool"),
};

test("the same arrays are the same bytes, whenever they are written", async () => {
  const folder = await temporaryFolder();
  const [path, streamed] = ["a.npz", "b.npz"].map((name) => join(folder, name));
  await writeNpz(path, arrays);
  const pieces = (async function* () {
    yield Uint8Array.of(7, 8);
  })();
  await writeNpzStream(streamed, { x: { dtype: "uint8", shape: [2], pieces } });
  for (const file of [path, streamed]) {
    const bytes = await readFile(file);
    assert.is(bytes.readUInt16LE(10), 0, "midnight");
    assert.is(bytes.readUInt16LE(12), (1 << 5) | 1, "1980-01-01, as NumPy writes it");
    assert.is(bytes.readUInt16LE(28), 0, "no field with another time");
  }
});

test("reads what numpy wrote", async () => {
  const metrics = await readNpz(fixture("metrics.npz"));
  assert.equal(metrics.reference.shape, [600, 64]);
  assert.is(metrics.reference.dtype, "float32");
  assert.is(scalarOf(metrics.recall_k3), 0.9266666666666666);
  const samplers = await readNpz(fixture("sit-samplers.npz"), { keys: ["num_steps", "y"] });
  assert.equal(Object.keys(samplers).sort(), ["num_steps", "y"]);
  assert.is(scalarOf(samplers.num_steps), 6);
});

test("reads back what it writes, stored and deflated, and leaves no temporary files", async () => {
  const folder = await temporaryFolder();
  for (const compress of [false, true]) {
    const path = join(folder, "new", "a.npz");
    await writeNpz(path, arrays, { compress });
    assert.equal(await readNpz(path), arrays);
    assert.equal(await readdir(join(folder, "new")), ["a.npz"]);
  }
});

test("a failed write leaves the earlier file alone", async () => {
  const path = join(await temporaryFolder(), "a.npz");
  await writeNpz(path, arrays);
  const before = await readFile(path);
  await rejects(writeNpz(path, { h: ndarray(new Uint16Array(1), [1], "bfloat16") }), /bfloat16/);
  assert.equal(await readFile(path), before);
});

test("names the file and what is wrong with it", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "bad.npz");
  await rejects(readNpz(join(folder, "none.npz")), /none\.npz: there is no such file/);
  await rejects(readNpz(folder), /it is not a file/);
  await writeNpz(path, arrays);
  const good = await readFile(path);
  for (const bytes of [Buffer.alloc(0), Buffer.from("nonsense"), good.subarray(0, good.length - 30)]) {
    await writeFile(path, bytes);
    await rejects(readNpz(path), /bad\.npz is not a complete \.npz archive/);
  }
  await writeFile(path, zipSync({ "a.npy": strToU8("no array"), "readme.txt": strToU8("skipped") }));
  await rejects(readNpz(path), /Array "a" of .*bad\.npz is not an \.npy file/);
  await rejects(readNpz(path, { keys: ["b"] }), /bad\.npz has no array "b"/);
});

const python = spawnSync("python3", ["-c", "import numpy"]).status === 0;
if (python) {
  test("numpy reads what it writes", async () => {
    const path = join(await temporaryFolder(), "a.npz");
    const text = ndarray(["grün", "x"], [2]);
    const script = `
import sys, numpy
for key, a in numpy.load(sys.argv[1]).items(): print(key, a.dtype, a.shape, a.tolist())`;
    for (const compress of [false, true]) {
      await writeNpz(path, { ...arrays, text }, { compress });
      const { stdout } = spawnSync("python3", ["-X", "utf8", "-c", script, path], { encoding: "utf8" });
      assert.equal(stdout.trim().split("\n"), [
        "a.b float32 (2, 3) [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]",
        "count int64 () -5",
        "flags bool (2,) [True, False]",
        "text <U4 (2,) ['grün', 'x']",
      ]);
    }
  });
} else {
  test.skip("numpy reads what it writes (python3 with numpy is not installed)");
}

test.run();
