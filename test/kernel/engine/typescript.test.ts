/** The compiled TypeScript of a kernel is kept where all else is that can be made again. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadTypeScript } from "../../../kernel/engine/typescript.ts";
import { temporaryFolder } from "../../io/helpers.ts";

test("the code cache follows DITLAB_HOME, and serves the next start", async () => {
  const before = process.env.DITLAB_HOME;
  const home = join(await temporaryFolder(), "home");
  process.env.DITLAB_HOME = home;
  try {
    const { ts, saveCodeCache } = loadTypeScript();
    saveCodeCache();
    const [file, ...others] = readdirSync(home);
    assert.equal(others, []);
    assert.ok(file.startsWith(`typescript-${ts.version}-node-`), file);
    assert.is(loadTypeScript().ts.version, ts.version);
  } finally {
    if (before === undefined) delete process.env.DITLAB_HOME;
    else process.env.DITLAB_HOME = before;
  }
});

test.run();
