/** `ditlab kernel` as a user types it. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "../../io/helpers.ts";
import { build, root } from "../helpers.ts";

build();

/** The command as a user without Jupyter runs it, whose home is `home`. */
function ditlab(home: string, ...args: string[]) {
  const env = { PATH: join(home, "bin"), HOME: home, XDG_DATA_HOME: join(home, "data"), NO_COLOR: "1" };
  const bin = join(root, "lib/cli/bin.js");
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...args], { env, encoding: "utf8" });
  return { code: status, stdout, stderr };
}

const kernelIn = (home: string, name = "ditlab") => join(home, "data/jupyter/kernels", name);

test("help lists the commands of both sides", async () => {
  const home = await temporaryFolder();
  const { code, stdout } = ditlab(home, "--help");
  assert.is(code, 0);
  for (const name of ["train", "sample", "notebook", "kernel"])
    assert.match(stdout, new RegExp(`^ +${name} `, "m"));
  assert.match(ditlab(home, "notebook", "run", "--help").stdout, /--output <file> .*\n?.*over the\s+input/);
  assert.is(ditlab(home, "kernel", "nonsense").code, 2);
});

test("a notebook's page is written without running it", async () => {
  const home = await temporaryFolder();
  const path = join(home, "n.ipynb");
  const source = "throw new Error('it ran')";
  const cell = { cell_type: "code", id: "c", metadata: {}, source, execution_count: 3 };
  const outputs = [{ output_type: "stream", name: "stdout", text: "kept from before" }];
  const text = JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: [{ ...cell, outputs }],
  });
  await writeFile(path, text);
  const { code, stderr } = ditlab(home, "notebook", "html", path);
  assert.equal([code, stderr], [0, `wrote ${join(home, "n.html")}\n`]);
  assert.match(await readFile(join(home, "n.html"), "utf8"), /kept from before/);
  assert.is(await readFile(path, "utf8"), text, "the notebook stays as it is");
  assert.is(ditlab(home, "notebook", "html", path, "-o", join(home, "other.html")).code, 0);
  assert.ok(existsSync(join(home, "other.html")));
  assert.match(ditlab(home, "notebook", "html", join(home, "none.ipynb")).stderr, /there is no notebook at/);
});

test("the kernel is installed, listed, examined and removed", async () => {
  const home = await temporaryFolder();
  const before = ditlab(home, "kernel", "doctor");
  assert.match(before.stdout, /^warning {2}no kernel is installed for Jupyter: npx ditlab kernel install/m);
  assert.match(before.stdout, /^warning {2}no Jupyter was found\. JupyterLab comes with/m);
  assert.is(before.code, 0, "warnings are not problems");

  assert.match(ditlab(home, "kernel", "install").stdout, /^Installed the kernel "ditlab" in /);
  const spec = JSON.parse(await readFile(join(kernelIn(home), "kernel.json"), "utf8"));
  assert.is(spec.display_name, "TypeScript (ditlab)");
  ditlab(home, "kernel", "install", "--name", "second", "--display-name", "Second");
  await mkdir(kernelIn(home, "foreign"));
  await writeFile(
    join(kernelIn(home, "foreign"), "kernel.json"),
    JSON.stringify({ argv: ["x"], display_name: "Foreign", language: "x" }),
  );
  const { stdout } = ditlab(home, "kernel", "list");
  assert.match(
    stdout,
    /^\* ditlab {3}TypeScript \(ditlab\) {2}.*\n {2}foreign {2}Foreign .*\n\* second {3}Second /m,
  );

  const healthy = ditlab(home, "kernel", "doctor");
  assert.is(healthy.code, 0, healthy.stdout);
  for (const line of [
    "Node.js",
    "typescript 5",
    "tslab 1.0.22",
    "zeromq 6",
    "the kernel started and ran a cell",
  ])
    assert.match(healthy.stdout, new RegExp(`^ok {7}${line}`, "m"));

  const record = join(kernelIn(home, "second"), "ditlab.json");
  await writeFile(record, JSON.stringify({ path: "/nonexistent/ditlab" }));
  assert.match(ditlab(home, "kernel", "list").stdout, /^! second .*\n {2}\/nonexistent\/ditlab is gone/m);
  const broken = ditlab(home, "kernel", "doctor");
  assert.is(broken.code, 1);
  assert.match(broken.stdout, /^PROBLEM {2}kernel "second" in .*install it again/m);

  const foreign = ditlab(home, "kernel", "uninstall", "--name", "foreign");
  assert.is(foreign.code, 1);
  assert.match(foreign.stderr, /is not a kernel of ditlab/);
  assert.is(ditlab(home, "kernel", "uninstall").code, 0);
  assert.not.ok(existsSync(kernelIn(home)));
  assert.ok(existsSync(kernelIn(home, "second")));
  assert.match(ditlab(home, "kernel", "uninstall").stderr, /no kernel named "ditlab" is installed/);
});

test("a prefix of its own is written to and cleaned, and places exclude each other", async () => {
  const home = await temporaryFolder();
  const prefix = join(home, "prefix");
  const folder = join(prefix, "share/jupyter/kernels/ditlab");
  assert.is(ditlab(home, "kernel", "install", "--prefix", prefix).code, 0);
  assert.ok(existsSync(join(folder, "kernel.json")));
  assert.is(ditlab(home, "kernel", "uninstall", "--prefix", prefix).code, 0);
  assert.not.ok(existsSync(folder));
  assert.is(ditlab(home, "kernel", "install", "--prefix", prefix, "--user").code, 2);
  const missing = ditlab(home, "kernel", "install", "--sys-prefix");
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /no Python with Jupyter was found; use --user or --prefix/);
});

test("without Jupyter, lab says how to get it", async () => {
  const { code, stderr } = ditlab(await temporaryFolder(), "kernel", "lab");
  assert.is(code, 1);
  assert.match(
    stderr,
    /no Jupyter was found\. JupyterLab comes with "pip install jupyterlab"; Visual Studio Code/,
  );
});

test.run();
