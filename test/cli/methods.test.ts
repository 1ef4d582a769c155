/** Methods by name on the command line, alone and together, with arrays of the images. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatNpy, ndarray, readJsonLines } from "../../lib/io/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import type { LogEntry } from "../../lib/train/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { ditlab, smallIdxFolder } from "./helpers.ts";

const data = smallIdxFolder();
const run = (...args: string[]) => ditlab(args);
async function refused(args: string[], message: RegExp, exit = 1): Promise<void> {
  const { code, stderr } = await ditlab(args);
  assert.match(stderr, message);
  assert.is(code, exit, stderr);
}
const train = async (out: string, ...options: string[]) =>
  run("train", "--preset", "tiny", "--steps", "2", "--data", await data, "--out", out, ...options);
const losses = async (out: string): Promise<string[]> =>
  Object.keys((await readJsonLines<LogEntry>(join(out, "metrics.jsonl")))[0]);

test("a method, several, or none", async () => {
  const folder = await temporaryFolder();
  for (const [name, options, expected] of [
    ["default", [], ["sra"]],
    ["none", ["--baseline"], []],
    ["release", ["--method", "sra-2026-07"], ["sra"]],
    ["two", ["--method", "layersync", "dispersive"], ["layersync", "dispersive"]],
  ] as const) {
    const out = join(folder, name);
    const { code, stderr } = await train(out, ...options);
    assert.is(code, 0, stderr);
    assert.equal(await losses(out), ["step", "generative", ...expected, "gradientNorm", "stepSeconds"]);
  }
  const config = JSON.parse(await readFile(join(folder, "release", "config.json"), "utf8"));
  assert.equal(
    [config.methods[0].distance, config.methods[0].cosineAxis, config.methods[0].weight],
    ["cosine", "token", 0.5],
  );
  await refused(
    ["train", "--method", "srb"],
    /--method <names\.\.\.>.*srb.*Allowed choices are sra, sra-2026-07/s,
    2,
  );
  await refused(["train", "--baseline", "--method", "sra"], /--baseline.*cannot be used with.*--method/, 2);
  await refused(
    ["train", "--preset", "tiny", "--data", await data, "--baseline", "--align-weight", "3"],
    /--align-weight is the weight of one method, got 0 methods/,
  );
});

test("REPA trains on features beside the images, and says what is missing", async () => {
  const folder = await temporaryFolder();
  const [out, features] = [join(folder, "repa"), join(folder, "features.npy")];
  const repa = ["--preset", "tiny", "--data", await data, "--method", "repa"];
  await refused(
    ["train", ...repa, "--out", out],
    /training images need the array 'dinov2' with \[49,768\] numbers for each image, got none/,
  );
  await refused(
    ["train", ...repa, "--array", "dinov2"],
    /expected a name and a file, as in dinov2=features\.npy/,
    2,
  );
  const rows = randomGenerator(1).normals(1500 * 49 * 768);
  await writeFile(features, formatNpy(ndarray(rows, [1500, 49, 768])));
  const begun = await train(out, "--method", "repa", "--array", `dinov2=${features}`);
  assert.is(begun.code, 0, begun.stderr);
  assert.equal(await losses(out), ["step", "generative", "repa", "gradientNorm", "stepSeconds"]);
  // A resumed run finds its features where they were.
  const on = await run("train", "--out", out, "--resume", "--steps", "3");
  assert.is(on.code, 0, on.stderr);
  const other = join(folder, "other.npy");
  await writeFile(
    other,
    formatNpy(
      ndarray(
        rows.map((value) => -value),
        [1500, 49, 768],
      ),
    ),
  );
  await refused(
    ["train", "--out", out, "--resume", "--steps", "4", "--array", `dinov2=${other}`, "--data", await data],
    /cannot resume .* with other data/,
  );
});

test("Self-Transcendence learns from the run of its first stage", async () => {
  const folder = await temporaryFolder();
  const [first, out] = [join(folder, "first"), join(folder, "second")];
  assert.is((await train(first, "--method", "self-transcendence-1")).code, 0);
  const second = ["--preset", "tiny", "--data", await data, "--method", "self-transcendence", "--out", out];
  await refused(["train", ...second], /a method has a frozen teacher.*--teacher/);
  await refused(
    ["train", ...second, "--patch-size", "2", "--teacher", first],
    /model\.patchSize was 4, got 2/,
  );
  const begun = await train(out, "--method", "self-transcendence", "--teacher", first);
  assert.is(begun.code, 0, begun.stderr);
  assert.equal(await losses(out), [
    "step",
    "generative",
    "self-transcendence",
    "gradientNorm",
    "stepSeconds",
  ]);
  const on = ["train", "--out", out, "--resume", "--steps", "3"];
  await refused(
    [...on, "--teacher", first],
    /has its frozen teacher in its checkpoints; expected no --teacher/,
  );
  assert.is((await run(...on)).code, 0);
  const planned = await run("train", ...second, "--dry-run", "--json");
  assert.ok(JSON.parse(planned.stdout).stepSeconds > 0, planned.stderr);
});

test.run();
