/** Folders that we fill: what is not ours is never touched. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  checkEmpty,
  claimFolder,
  MANIFEST,
  type Manifest,
  readManifest,
  reidentify,
  removeMade,
} from "../../lib/io/folders.ts";
import { rejects, temporaryFolder } from "./helpers.ts";

const manifest: Manifest = {
  kind: "run",
  identity: { scale: "tiny" },
  makes: ["results.json", "arm-*/checkpoints/step-*.safetensors", "arm-*/log.jsonl"],
};

async function write(folder: string, ...paths: string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), path);
  }
}

const all = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true })).map((path) => path.replaceAll("\\", "/")).sort();

test("a new, an empty and a claimed folder are taken, any other is refused by name", async () => {
  const folder = await temporaryFolder();
  assert.is(await claimFolder(join(folder, "a/b"), manifest), undefined);
  await mkdir(join(folder, "empty"));
  assert.is(await claimFolder(join(folder, "empty"), manifest), undefined);
  const again = { ...manifest, identity: { scale: "small" } };
  assert.equal(await claimFolder(join(folder, "empty"), again), manifest);
  // Whether another identity may take its place is for the caller to say.
  assert.equal((await readManifest(join(folder, "empty")))?.identity, manifest.identity);
  await reidentify(join(folder, "empty"), again.identity);
  assert.equal((await readManifest(join(folder, "empty")))?.identity, again.identity);

  await write(folder, "theirs/notes.txt", "damaged/ditlab.json");
  await rejects(
    claimFolder(join(folder, "theirs"), manifest),
    /theirs is not empty and no run of ditlab \(it holds notes\.txt, but no ditlab\.json\); expected a new or empty folder/,
  );
  await rejects(checkEmpty(join(folder, "theirs"), "run"), /theirs is not empty/);
  await rejects(
    claimFolder(join(folder, "theirs/notes.txt"), manifest),
    /notes\.txt is a file, expected a folder/,
  );
  await rejects(claimFolder(join(folder, "damaged"), manifest), /ditlab\.json is no manifest of ditlab/);
  await rejects(
    claimFolder(join(folder, "empty"), { ...manifest, kind: "comparison" }),
    /empty is a run of ditlab, expected a comparison/,
  );
  assert.equal(await all(join(folder, "theirs")), ["notes.txt"]);
});

test("what we made goes, whatever else lies there stays", async () => {
  const folder = await temporaryFolder();
  await claimFolder(folder, manifest);
  const ours = ["results.json", "arm-0/log.jsonl", "arm-0/checkpoints/step-1.safetensors", "arm-1/log.jsonl"];
  const theirs = [
    "notes.txt",
    "results.json.bak",
    "xresultsxjson",
    "arm-0/checkpoints/thesis.tex",
    "other/log.jsonl",
    "arm-0/deeper/log.jsonl",
  ];
  await write(folder, ...ours, ...theirs);
  // A folder where a file of ours would be, and one whose name fits a pattern.
  await write(folder, "arm-2/log.jsonl/keep.txt");
  await claimFolder(join(folder, "arm-3"), manifest);
  await write(folder, "arm-3/log.jsonl");
  await removeMade(folder, manifest);
  assert.equal(
    (await all(folder)).filter((path) => /\.|xresults/.test(path)),
    [MANIFEST, ...theirs, "arm-2/log.jsonl", "arm-2/log.jsonl/keep.txt"].sort(),
  );
  assert.is(
    await readFile(join(folder, "arm-0/checkpoints/thesis.tex"), "utf8"),
    "arm-0/checkpoints/thesis.tex",
  );
  for (const gone of ["arm-1", "arm-3"]) assert.not.ok((await all(folder)).includes(gone), gone);
});

test.run();
