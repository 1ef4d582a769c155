/**
 * `ditlab setup tensorflow` for real, with the wheel that pip gets: on this Node and the newest, with the results of the
 * processor's own backend; moved, noticed, set up anew, removed. Skipped by name where a part of it cannot be got.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runNotebook } from "../../../kernel/notebook/run.ts";
import type { DevicesReport } from "../../../lib/devices/findings.ts";
import { ditlab } from "../../cli/helpers.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { build } from "../../kernel/helpers.ts";
import { npm, root } from "../../packed.ts";
import { NO_DRIVER } from "../helpers.ts";

const run = promisify(execFile);
const DITLAB_HOME = await temporaryFolder();
const env = { DITLAB_HOME, DITLAB_JIT_CACHE: "0", ...NO_DRIVER };
const made = join(DITLAB_HOME, "tensorflow");

/** What a machine may lack. */
const ABSENT =
  /^ditlab: (pip cannot fetch|npm cannot fetch|there is no|TensorFlow's libraries can be set up)/m;
const began = performance.now();
const first = await ditlab(["setup", "tensorflow", "--cpu"], env);
const seconds = (performance.now() - began) / 1000;
const reason = ABSENT.test(first.stderr) ? first.stderr.trim() : undefined;

/** A test that needs it. */
function real(name: string, body: () => Promise<void>): void {
  if (reason === undefined) return void test(name, body);
  test.skip(`${name} (${reason})`);
}

/** The newest Node that npm has, as a program; nothing where it cannot be got. */
async function newestNode(): Promise<string | undefined> {
  const folder = await temporaryFolder();
  try {
    const { stdout } = await npm(folder, "pack", `node-linux-${process.arch}`, "--loglevel=error");
    await run("tar", ["-xzf", stdout.trim().split("\n").at(-1)!, "package/bin/node"], { cwd: folder });
    return join(folder, "package/bin/node");
  } catch {
    return undefined;
  }
}

/** Runs a file of the tests with a Node. */
async function child(
  node: string,
  file: string,
  ...args: string[]
): Promise<{ stdout: string; stderr: string }> {
  const start = [
    "--import",
    "tsx",
    "--import",
    join(root, "test/setup.ts"),
    join(root, "test/devices", file),
  ];
  const { FORCE_COLOR: _, DITLAB_DEVICE: __, NODE_OPTIONS: ___, ...inherited } = process.env;
  return run(node, [...start, ...args], { env: { ...inherited, ...env }, cwd: root });
}

real("it is set up, and once", async () => {
  assert.is(first.code, 0, first.stderr);
  assert.match(first.stdout, /^device 'tensorflow' is set up: TensorFlow \d+\.\d+\.\d+ on the processor$/m);
  process.stdout.write(` ${seconds.toFixed(0)} s `);
  const second = await ditlab(["setup", "tensorflow"], env);
  assert.is(second.code, 0, second.stderr);
  assert.match(second.stdout, /^device 'tensorflow' was set up before, and works: TensorFlow .*\n$/);
});

const nodes = reason === undefined ? [process.execPath, await newestNode()] : [undefined, undefined];
for (const [i, node] of nodes.entries()) {
  const which = i === 0 ? "this Node" : "the newest Node";
  const name = `eager operations, gradients and samples are the processor's, on ${which}`;
  if (node === undefined) {
    test.skip(`${name} (${reason ?? "npm has no package with it"})`);
    continue;
  }
  test(name, async () => {
    const { stdout, stderr } = await child(node, "tensorflow/eager-child.ts");
    const { backend, errors, node: version } = JSON.parse(stdout);
    process.stdout.write(` ${version} `);
    assert.is(backend, "tensorflow");
    for (const [what, error] of Object.entries(errors as Record<string, number>))
      assert.ok(error < 2e-5, `${what}: ${error}`);
    // The library has nothing to say either; Node may have something about a package's old code.
    assert.is(stderr.replace(/^\(.*(Warning|trace-).*\n/gm, ""), "");
  });
}

real("devices lists it, with what computes", async () => {
  const { stdout } = await ditlab(["devices", "--json"], env);
  const { devices, auto } = JSON.parse(stdout) as DevicesReport;
  const { works, eager, runtime, problem } = devices.find(({ device }) => device === "tensorflow")!;
  assert.is(problem, undefined);
  assert.ok(works && eager!.gflops! > 0);
  assert.match(runtime!, /^TensorFlow .* on the processor$/);
  assert.is(auto, "cpu");
});

const NOTEBOOK = "01-tensors-jit-devices.ipynb";
if (process.env.DITLAB_NOTEBOOKS !== "1") test.skip(`${NOTEBOOK} runs on it (DITLAB_NOTEBOOKS=1)`, () => {});
else
  real(`${NOTEBOOK} runs on it`, async () => {
    build();
    const output = join(await temporaryFolder(), NOTEBOOK);
    const kernel = { env: { ...process.env, ...env, DITLAB_DEVICE: "tensorflow" } };
    const { failed, notebook, seconds } = await runNotebook(join(root, "notebooks", NOTEBOOK), {
      output,
      kernel,
    });
    assert.is(failed, undefined, failed?.reason);
    assert.match(JSON.stringify(notebook), /TensorFlow \d+\.\d+\.\d+ on the processor/);
    process.stdout.write(` ${seconds.toFixed(0)} s `);
  });

real(
  "moved it is noticed, set up anew from where it is now, and left there when the rest is removed",
  async () => {
    const name = (await readdir(made)).find((name) => name.startsWith("wheel-"))!;
    const elsewhere = await temporaryFolder();
    await rename(join(made, name), join(elsewhere, "site"));
    const { stdout } = await child(process.execPath, "use-device-child.ts", "tensorflow");
    const { error, values } = JSON.parse(stdout);
    assert.match(
      error,
      /^device 'tensorflow' cannot be used: .*libtensorflow_cc\.so\.2, which it was set up with, is gone: npx ditlab setup tensorflow$/,
    );
    assert.equal(values, [3, 5]);
    const again = await ditlab(["setup", "tensorflow", "--from", join(elsewhere, "site")], env);
    assert.is(again.code, 0, again.stderr);
    assert.match(again.stdout, /^setting it up anew: .* is gone$/m);
    assert.equal(JSON.parse((await child(process.execPath, "use-device-child.ts", "tensorflow")).stdout), {
      took: "tensorflow",
      current: "tensorflow",
      eager: "tensorflow",
      target: "cpu",
      values: [3, 5],
    });
    const removed = await ditlab(["setup", "tensorflow", "--remove"], env);
    assert.is(removed.stdout, "device 'tensorflow' was removed\n");
    assert.not.ok(existsSync(made));
    assert.ok(existsSync(join(elsewhere, "site/tensorflow/libtensorflow_cc.so.2")));
  },
);

test.run();
