/** Files that are written whole or not at all, also where the disk has no room. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { writeAtomic } from "../../lib/io/files.ts";
import { writeWhole, writeWholeSync } from "../../lib/whole.ts";
import { rejects, temporaryFolder } from "./helpers.ts";

test("a file is replaced through its link, and keeps its mode", async () => {
  const folder = await temporaryFolder();
  const [file, link] = [join(folder, "file"), join(folder, "link")];
  writeFileSync(file, "old");
  chmodSync(file, 0o640);
  symlinkSync(file, link);
  await writeWhole(link, "new");
  assert.is(readFileSync(file, "utf8"), "new");
  assert.is(statSync(file).mode & 0o777, 0o640);
  writeWholeSync(file, Uint8Array.of(65, 66));
  assert.is(readFileSync(link, "utf8"), "AB");
  assert.equal(readdirSync(folder).sort(), ["file", "link"]);
});

const mount = join(await temporaryFolder(), "small");
mkdirSync(mount);
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=300k", "tmpfs", mount]).status === 0;

(mounted ? test : test.skip)(
  "on a nearly full disk the old file stays whole (needs a disk to mount)",
  async () => {
    try {
      const file = join(mount, "metrics.json");
      writeFileSync(file, "x".repeat(100_000));
      for (const write of [writeWhole, writeAtomic]) {
        await rejects(
          write(file, "y".repeat(250_000)),
          /metrics\.json was not written, since the disk is full/,
        );
        assert.is(readFileSync(file, "utf8"), "x".repeat(100_000));
        assert.equal(readdirSync(mount), ["metrics.json"]);
      }
      assert.throws(() => writeWholeSync(file, "y".repeat(250_000)), /ENOSPC/);
      assert.equal(readdirSync(mount), ["metrics.json"]);
      await writeWhole(file, "z".repeat(150_000));
      assert.is(statSync(file).size, 150_000);
    } finally {
      spawnSync("umount", [mount]);
    }
  },
);

test.run();
