/** Kernelspecs: from any folder, after the project has been moved, beside kernels that are not ours. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { startKernel } from "../../../kernel/client/process.ts";
import {
  installKernel,
  listKernels,
  problemOf,
  uninstallKernel,
} from "../../../kernel/install/kernelspec.ts";
import { rejects, temporaryFolder } from "../../io/helpers.ts";
import { build, hasPython, PYTHON, root } from "../helpers.ts";

build();

/** A data folder of Jupyter with the kernel in it. */
async function installed(name = "ditlab") {
  const dataFolder = await temporaryFolder();
  const folder = await installKernel({ dataFolder, name, displayName: "TypeScript" });
  const spec = JSON.parse(await readFile(join(folder, "kernel.json"), "utf8"));
  const argv = spec.argv.map((part: string) => part.replace("{resource_dir}", folder)) as string[];
  return { dataFolder, folder, spec, argv };
}

async function evaluate(argv: string[], cwd: string, code: string): Promise<unknown> {
  const kernel = await startKernel({ argv, cwd });
  const { outputs } = await kernel.client.execute(code);
  await kernel.stop();
  const result = outputs.find(({ header }) => header.msg_type === "execute_result");
  return (result?.content.data as Record<string, string> | undefined)?.["text/plain"];
}

test("a kernelspec has what front ends need, and starts from any folder", async () => {
  const { folder, spec, argv } = await installed();
  assert.is(spec.interrupt_mode, "message");
  assert.is(spec.language, "typescript");
  for (const logo of ["logo-32x32.png", "logo-64x64.png", "logo-svg.svg"])
    assert.ok(existsSync(join(folder, logo)), logo);
  const elsewhere = await temporaryFolder();
  assert.is(await evaluate(argv, elsewhere, "process.cwd()"), `'${elsewhere}'`);
  // What the kernel's own package has can be imported where nothing else is installed.
  assert.is(await evaluate(argv, elsewhere, 'import { tf } from "ditlab"; tf.tensor([1, 2]).shape[0]'), "2");
});

const jupyterClient = hasPython("jupyter_client");
(jupyterClient ? test : test.skip)("Jupyter's own client starts it (python3-jupyter-client)", async () => {
  const { dataFolder } = await installed("from-jupyter");
  const script = `
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="from-jupyter")
seen = []
client.execute_interactive("6 * 7", output_hook=lambda m: seen.append(m["content"].get("data")), timeout=60)
client.stop_channels(); manager.shutdown_kernel()
print([data["text/plain"] for data in seen if data][0])`;
  const { stdout } = await promisify(execFile)(PYTHON, ["-c", script], {
    cwd: await temporaryFolder(),
    env: { ...process.env, JUPYTER_PATH: dataFolder },
  });
  assert.is(stdout.trim(), "42");
});

test("installing again replaces what is ours in the folder, which others than its owner can read", async () => {
  const { dataFolder, folder } = await installed();
  await writeFile(join(folder, "stray"), "x");
  await installKernel({ dataFolder, name: "ditlab", displayName: "Another" });
  assert.is(await readFile(join(folder, "stray"), "utf8"), "x", "a file that others put there stays");
  assert.is(JSON.parse(await readFile(join(folder, "kernel.json"), "utf8")).display_name, "Another");
  assert.equal(await readdir(join(dataFolder, "kernels")), ["ditlab"], "nothing is left beside it");
  if (process.platform !== "win32") assert.is((await stat(folder)).mode & 0o777, 0o755);
});

test("it survives moving the project, and mends its record", async () => {
  const { folder, argv } = await installed();
  const record = join(folder, "ditlab.json");
  const parent = await temporaryFolder();
  const [before, after] = [join(parent, "before"), join(parent, "after")];
  // A project with the package in it, as a link that npm would have made a folder.
  await mkdir(join(before, "node_modules"), { recursive: true });
  await symlink(root, join(before, "node_modules/ditlab"), "junction");
  await writeFile(record, JSON.stringify({ path: join(before, "node_modules/ditlab") }));
  await rename(before, after);
  assert.is(await evaluate(argv, after, "6 * 7"), "42");
  assert.is(JSON.parse(await readFile(record, "utf8")).path, join(after, "node_modules/ditlab"));
  const elsewhere = await temporaryFolder();
  assert.is(await evaluate(argv, elsewhere, "6 * 8"), "48");
});

test("without the package it says where it looked and what to do", async () => {
  const { folder, argv } = await installed();
  await writeFile(join(folder, "ditlab.json"), JSON.stringify({ path: "/nonexistent/ditlab" }));
  const child = spawn(argv[0], [argv[1], "none"], { cwd: await temporaryFolder() });
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  assert.is(code, 1);
  assert.match(
    stderr,
    /neither above .* nor at \/nonexistent\/ditlab nor among npm's global packages; run "npx ditlab kernel install"/,
  );
});

test("JupyterLab's part of the widgets comes with the first kernel and goes with the last", async () => {
  const { dataFolder } = await installed("one");
  const extension = join(dataFolder, "labextensions/ditlab-anywidget");
  const about = JSON.parse(await readFile(join(extension, "package.json"), "utf8"));
  const script = await readFile(join(extension, about.jupyterlab._build.load), "utf8");
  assert.match(script, /^\/\* anywidget [\d.]+\nMIT License/i);
  // It runs in a page, and offers nothing where ipywidgets is not.
  const window: { _JUPYTERLAB?: Record<string, Container> } = {};
  const document = { getElementById: () => null };
  new Function("window", "document", script)(window, document);
  const container = window._JUPYTERLAB!["ditlab-anywidget"];
  container.init({});
  assert.equal((await container.get("./extension"))().default, []);

  await installKernel({ dataFolder, name: "two", displayName: "Two" });
  assert.equal(await readdir(join(extension, "static")), [
    about.jupyterlab._build.load.slice("static/".length),
  ]);
  await uninstallKernel("one", [dataFolder]);
  assert.ok(existsSync(extension));
  await uninstallKernel("two", [dataFolder]);
  assert.not.ok(existsSync(join(dataFolder, "labextensions")));
  // Somebody else's extension of that name stays as it is, and so does what else lies in ours.
  await mkdir(extension, { recursive: true });
  await writeFile(join(extension, "package.json"), '{ "name": "another" }');
  await installKernel({ dataFolder, name: "one", displayName: "One" });
  await uninstallKernel("one", [dataFolder]);
  assert.equal(await readdir(extension), ["package.json"]);
});

/** What JupyterLab's loader finds of an extension. */
interface Container {
  init(scope: object): void;
  get(module: string): Promise<() => { default: unknown[] }>;
}

test("kernels are listed, judged and removed, and foreign ones left alone", async () => {
  const { dataFolder, folder } = await installed("mine");
  const foreign = join(dataFolder, "kernels/theirs");
  await mkdir(foreign, { recursive: true });
  await writeFile(join(foreign, "kernel.json"), '{"argv": ["x"], "display_name": "Theirs", "language": "x"}');
  const kernels = await listKernels([dataFolder]);
  assert.equal(
    kernels.map(({ name }) => name),
    ["mine", "theirs"],
  );
  assert.is(problemOf(kernels[0]), undefined);
  assert.match(
    problemOf({ ...kernels[0], argv: ["/nonexistent/node"] })!,
    /Node\.js \/nonexistent\/node is gone/,
  );
  assert.match(problemOf({ ...kernels[0], path: "/nonexistent" })!, /\/nonexistent is gone/);
  const options = { dataFolder, displayName: "x" };
  await rejects(installKernel({ ...options, name: "theirs" }), /holds another kernel; choose another name/);
  for (const name of ["Not Good", "..", ""])
    await rejects(installKernel({ ...options, name }), /kernel name: letters a-z/);
  await rejects(uninstallKernel("theirs", [dataFolder]), /is not a kernel of ditlab/);
  assert.equal(await uninstallKernel("none", [dataFolder]), []);
  const other = await installed("theirs");
  assert.equal(await uninstallKernel("theirs", [other.dataFolder, dataFolder]), [other.folder]);
  // What others put beside a kernelspec stays, also when it is replaced.
  await writeFile(join(folder, "kernel.js"), "theirs");
  await installKernel({ ...options, name: "mine" });
  assert.is(await readFile(join(folder, "kernel.js"), "utf8"), "theirs");
  assert.equal((await readdir(join(dataFolder, "kernels"))).sort(), ["mine", "theirs"]);
  await uninstallKernel("mine", [dataFolder]);
  assert.equal(await readdir(folder), ["kernel.js"]);
  await rm(folder, { recursive: true });
  await installKernel({ ...options, name: "mine" });
  assert.equal(await uninstallKernel("mine", [dataFolder]), [folder]);
  assert.not.ok(existsSync(folder));
  assert.ok(existsSync(foreign));
});

test.run();
