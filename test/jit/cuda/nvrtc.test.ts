/** NVIDIA's own compiler on kernels of ours, in a process without stand-ins: two libraries of one name cannot be loaded. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const CHILD = ["--import", "tsx", join(import.meta.dirname, "nvrtc-child.ts")];
const isThere = spawnSync(process.execPath, [...CHILD, "probe"]).status === 0;
const name = "all kernels of training steps compile by NVIDIA's compiler, and spill nothing";

if (isThere)
  test(name, async () => {
    const env = { ...process.env, NO_COLOR: "1" };
    const child = spawn(process.execPath, CHILD, { env, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part) => (text += part));
    const [code] = await once(child, "close");
    assert.is(code, 0, text.slice(-3000));
    assert.match(text, /Passed: +2/);
  });
else test.skip(`${name} (NVIDIA's compiler, libnvrtc, is not there)`, () => {});

test.run();
