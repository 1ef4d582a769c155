/** Notebooks that are large, and disks that are full. */
import { spawnSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../io/helpers.ts";
import { build, root } from "../helpers.ts";

build();

const wanted = process.env.DITLAB_NOTEBOOKS === "1";
const LINE = "a line that a cell has printed, with 0.123456789 in it\n";
const LINES = 20_000;

/** The text of a notebook that holds, cell by cell, what its cells print. */
function* large(bytes: number): Generator<string> {
  const text = Array(LINES).fill(JSON.stringify(LINE)).join(",\n");
  const source = JSON.stringify(`void process.stdout.write(${JSON.stringify(LINE)}.repeat(${LINES}))`);
  yield '{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[';
  for (let i = 0; i * text.length < bytes; i++)
    yield `${i > 0 ? "," : ""}{"cell_type":"code","id":"c${i}","metadata":{},"execution_count":${i + 1},"source":${source},"outputs":[{"output_type":"stream","name":"stdout","text":[${text}]}]}`;
  yield "]}\n";
}

const ditlab = (args: string[], options: string[] = []) =>
  spawnSync(process.execPath, [...options, join(root, "lib/cli/bin.js"), "notebook", ...args], {
    cwd: root,
    encoding: "utf8",
  });

(wanted ? test : test.skip)(
  "a notebook of 200 MB becomes a page, and is run and tested (DITLAB_NOTEBOOKS=1)",
  async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "n.ipynb");
    await pipeline(Readable.from(large(200e6)), createWriteStream(path));
    assert.ok((await stat(path)).size > 200e6);
    // The memory that it may take at most.
    const bounded = ["--max-old-space-size=2048"];
    for (const args of [
      ["html", path],
      ["test", path],
      ["run", path, "-o", join(folder, "o.ipynb")],
    ]) {
      const { status, stderr } = ditlab(args, bounded);
      assert.is(status, 0, stderr.slice(-2000));
    }
    assert.ok((await stat(join(folder, "n.html"))).size > 100e6);
    assert.ok((await stat(join(folder, "o.ipynb"))).size > 200e6);
  },
);

test("what is longer than a text may be is refused in a sentence", async () => {
  const path = join(await temporaryFolder(), "n.ipynb");
  // A hole, which takes no space.
  await writeFile(path, "{");
  const { status } = spawnSync("truncate", ["-s", "600M", path]);
  assert.is(status, 0);
  for (const command of ["run", "html", "test"]) {
    const { status, stderr } = ditlab([command, path]);
    assert.is(status, 1);
    assert.match(stderr, /n\.ipynb: a notebook of less than 512 MB expected, got more\n$/);
  }
});

/** A disk of 300 kB, where this process may mount one. */
async function smallDisk(): Promise<string | undefined> {
  const folder = join(await temporaryFolder(), "disk");
  await mkdir(folder);
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=300k", "tmpfs", folder]);
  return status === 0 ? folder : undefined;
}

const disk = process.platform === "linux" ? await smallDisk() : undefined;
test.after(() => {
  if (disk !== undefined) spawnSync("umount", [disk]);
});

(disk === undefined ? test.skip : test)(
  "on a full disk the old notebook and the old page stay, and a sentence says why (mounting a tmpfs)",
  async () => {
    const path = join(disk!, "n.ipynb");
    const code = "console.log('x'.repeat(400_000))";
    const cell = {
      ...{ cell_type: "code", id: "a", metadata: {}, execution_count: 1, outputs: [] },
      source: code,
    };
    const before = JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [cell] });
    await writeFile(path, before);
    await writeFile(join(disk!, "n.html"), "old");
    const told =
      /ditlab: \S*n\.ipynb was not written, since the disk is full; what was there is as it was\n$/;
    const tested = ditlab(["test", path, "--update"]);
    assert.is(tested.status, 1);
    assert.match(tested.stderr, told);
    assert.is(await readFile(path, "utf8"), before);

    const run = ditlab(["run", path]);
    assert.is(run.status, 1);
    assert.match(run.stderr, told);
    // The run has written the notebook without outputs before its first cell, and what was whole then stays.
    const { cells } = JSON.parse(await readFile(path, "utf8"));
    assert.equal(cells[0].outputs, []);

    const source = join(await temporaryFolder(), "m.ipynb");
    const text = "x".repeat(400_000);
    const printed = { ...cell, outputs: [{ output_type: "stream", name: "stdout", text }] };
    await writeFile(source, JSON.stringify({ ...JSON.parse(before), cells: [printed] }));
    const page = ditlab(["html", source, "-o", join(disk!, "n.html")]);
    assert.is(page.status, 1);
    assert.match(page.stderr, /n\.html was not written, since the disk is full/);
    assert.is(await readFile(join(disk!, "n.html"), "utf8"), "old");
    assert.equal((await readdir(disk!)).sort(), ["n.html", "n.ipynb"], "nothing else is left there");
  },
);

test.run();
