/** Commands and the folders that they are given: nothing foreign is removed, and a resumed thing is the same thing. */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readCheckpoint } from "../../lib/train/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { ditlab, smallIdxFolder } from "./helpers.ts";

const data = smallIdxFolder();
const otherData = smallIdxFolder(6);
const home = temporaryFolder();

const run = async (...args: string[]) => ditlab(args, { DITLAB_HOME: await home });

async function refused(args: string[], message: RegExp): Promise<void> {
  const { code, stderr } = await run(...args);
  assert.is(code, 1, `${args.join(" ")}: ${stderr}`);
  assert.match(stderr, message);
}

test("a folder that holds something else is refused by name, by every command, and stays as it is", async () => {
  const folder = await temporaryFolder();
  const mine = join(folder, "d1");
  await mkdir(join(mine, "thesis"), { recursive: true });
  await writeFile(join(mine, "notes.txt"), "x");
  await writeFile(join(mine, "config.json"), "mine");
  const fixture = new URL("../fixtures/sit-checkpoint.pt", import.meta.url).pathname;
  const commands = [
    ["demo", "--scale", "tiny", "--data", await data, "--out", mine],
    ["demo", "--scale", "tiny", "--data", await data, "--out", folder],
    ["demo", "--scale", "tiny", "--data", await data, "--out", mine, "--resume"],
    ["train", "--preset", "tiny", "--data", await data, "--out", mine],
  ];
  for (const args of commands)
    await refused(args, /is not empty and no (comparison|run) of ditlab \(it holds/);
  await refused(
    ["convert", fixture, mine, "--config", "sit-b-2-imagenet256"],
    /d1 is not empty and no run of ditlab/,
  );
  assert.equal((await readdir(mine)).sort(), ["config.json", "notes.txt", "thesis"]);
  assert.is(await readFile(join(mine, "config.json"), "utf8"), "mine");
});

test("a comparison that is begun again leaves what others put beside it; resumed, it must be the same", async () => {
  const out = join(await temporaryFolder(), "demo");
  const args = ["demo", "--scale", "tiny", "--out", out];
  const first = await run(...args, "--data", await data);
  assert.is(first.code, 0, first.stderr);
  const results = JSON.parse(await readFile(join(out, "results.json"), "utf8"));
  await writeFile(join(out, "notes.txt"), "x");
  await writeFile(join(out, "sra-seed0", "notes.txt"), "y");

  await refused(
    [...args, "--data", await otherData, "--resume"],
    /cannot go on with the comparison in .*: its images was [0-9a-f ]+, got [0-9a-f ]+; expected the same, or another folder/,
  );
  await refused(["demo", "--scale", "small", "--out", out, "--resume"], /its scale was tiny, got small/);
  assert.equal(JSON.parse(await readFile(join(out, "results.json"), "utf8")), results);
  const same = await run(...args, "--data", await data, "--resume");
  assert.is(same.code, 0, same.stderr);

  const again = await run(...args, "--data", await otherData);
  assert.is(again.code, 0, again.stderr);
  assert.is(await readFile(join(out, "notes.txt"), "utf8"), "x");
  assert.is(await readFile(join(out, "sra-seed0", "notes.txt"), "utf8"), "y");
  const other = JSON.parse(await readFile(join(out, "results.json"), "utf8"));
  assert.not.equal(other.arms[0].runs[0].curve, results.arms[0].runs[0].curve);
});

test("a resumed run goes on with its own data and settings, and says what contradicts them", async () => {
  const out = join(await temporaryFolder(), "run");
  const begun = await run("train", "--preset", "tiny", "--steps", "3", "--data", await data, "--out", out);
  assert.is(begun.code, 0, begun.stderr);
  const resume = ["train", "--out", out, "--resume"];
  const before = await readFile(join(out, "config.json"), "utf8");

  await refused(
    [...resume, "--data", await otherData],
    /cannot resume .* with other data: it was trained on 1500 examples of 1x28x28 in 10 classes \([0-9a-f]{16}\), got 1500 examples .* \([0-9a-f]{16}\)/,
  );
  const contradictions: [string[], RegExp][] = [
    [["--batch-size", "2"], /batchSize was 16, got 2/],
    [["--align-weight", "9"], /methods\.0\.weight was 0\.5, got 9/],
    [["--baseline"], /methods was \[.*\], got \[\]/],
    [["--seed", "7"], /seed was 0, got 7/],
    [["--preset", "medium"], /model\.depth was 3, got 8/],
  ];
  for (const [options, message] of contradictions) await refused([...resume, ...options], message);
  await refused(
    [...resume, "--method", "sra-2026-07", "--align-weight", "9", "--batch-size", "2"],
    /methods\.0\.weight was 0\.5, got 9; .*methods\.0\.cosineAxis was "feature", got "token".*batchSize was 16, got 2/,
  );
  assert.is(await readFile(join(out, "config.json"), "utf8"), before);

  // What changes no number is taken and recorded; the data are found where they were.
  const on = await run(...resume, "--steps", "5", "--accumulate", "2");
  assert.is(on.code, 0, on.stderr);
  const {
    config,
    step,
    data: identity,
  } = await readCheckpoint(join(out, "checkpoints", "step-00000005.safetensors"));
  assert.equal([step, config.steps, config.accumulate], [5, 5, 2]);
  assert.is(identity?.count, 1500);
  const recorded = JSON.parse(await readFile(join(out, "data.json"), "utf8"));
  assert.equal(recorded.source, { dataset: "mnist", data: await data });

  // The same images in another place are the same.
  const copy = await smallIdxFolder();
  const moved = await run(...resume, "--steps", "6", "--data", copy);
  assert.is(moved.code, 0, moved.stderr);
  // A run of ditlab 0.1 does not say what it was trained on.
  await rm(join(out, "data.json"));
  await refused(resume.slice(0, 3).concat("--preset", "tiny"), /already holds a run/);
});

test.run();
