/**
 * The package in an empty project: installed from its tarball by each package manager, required, imported, type-checked.
 * Nothing but the npm registry is needed. `DITLAB_INSTALL=git` installs from git, too.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import ts from "typescript";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { rejects, temporaryFolder } from "./io/helpers.ts";
import { freshClone, npm, packed, root } from "./packed.ts";

const run = promisify(execFile);
const folders = (await readdir(join(root, "lib"))).filter((name) =>
  existsSync(join(root, "lib", name, "index.ts")),
);
const NAMES = ["ditlab", "ditlab/kernel", ...folders.map((folder) => `ditlab/${folder}`)];

/** What an import leaves behind, then a compiled function. */
const PROGRAM = `
const before = { env: { ...process.env }, listed: new Set(Object.keys(globalThis)) };
const said = [];
process.on("warning", ({ message }) => said.push(message));
for (const way of ["log", "warn", "error"]) console[way] = (...text) => said.push(text.join(" "));
LOAD.then(async (modules) => {
  const left = {
    env: Object.keys(process.env).filter((key) => process.env[key] !== before.env[key]),
    listed: Object.keys(globalThis).filter((key) => !before.listed.has(key)),
    backend: modules.ditlab.tf.getBackend() ?? "none",
  };
  const { tf, jit } = modules.ditlab;
  const double = jit((x) => tf.mul(x, 2));
  const [four] = (await double(tf.tensor1d([2]))).dataSync();
  const [gradient] = tf.grad((x) => tf.sum(x.square()))(tf.tensor1d([3])).dataSync();
  await double.dispose();
  const empty = Object.keys(modules).filter((name) => Object.keys(modules[name]).length === 0);
  await new Promise(setImmediate);
  process.stdout.write(JSON.stringify({ ...left, four, gradient, empty, said }));
});`;
const NOTHING_LEFT = { env: [], listed: [], backend: "none", four: 4, gradient: 6, empty: [], said: [] };
const LOADS = {
  "required.cjs": `Promise.resolve(Object.fromEntries(${JSON.stringify(NAMES)}.map((name) => [name, require(name)])))`,
  "imported.mjs": `Promise.all(${JSON.stringify(NAMES)}.map(async (name) => [name, await import(name)])).then(Object.fromEntries)`,
};

async function emptyProject(): Promise<string> {
  const folder = await realpath(await temporaryFolder());
  await writeFile(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  return folder;
}

/** Runs a file of a project, and reads what it says as JSON. */
async function result(folder: string, file: string, command = [process.execPath]): Promise<unknown> {
  const [program, ...args] = command;
  const { stdout } = await run(program, [...args, join(folder, file)], { cwd: folder });
  return JSON.parse(stdout);
}

/** Requires and imports everything. */
async function works(folder: string): Promise<void> {
  for (const [file, load] of Object.entries(LOADS)) {
    await writeFile(
      join(folder, file),
      PROGRAM.replace("LOAD", () => load),
    );
    assert.equal(await result(folder, file), NOTHING_LEFT, file);
  }
}

const NO_SCRIPTS = "enableScripts: false\nenableTelemetry: false\nnodeLinker: node-modules\n";
/** How each manager, in a version that the registry has, adds a tarball. */
const MANAGERS = {
  "pnpm 10": { from: "pnpm@10", program: "pnpm", add: ["add", "--prefer-offline"] },
  "yarn 1": { from: "yarn@1", program: "yarn", add: ["add", "--prefer-offline", "--no-lockfile"] },
  "yarn 4": {
    from: "@yarnpkg/cli-dist@4",
    program: "yarn",
    add: ["add"],
    files: { ".yarnrc.yml": NO_SCRIPTS, "yarn.lock": "" },
  },
};
const exec = (cwd: string, from: string, program: string, ...args: string[]) =>
  npm(cwd, "exec", "--yes", "--prefer-offline", `--package=${from}`, "--", program, ...args);

const OFFLINE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTCACHED/;
/** The project that npm installed into. */
let project = "";
let reason = "";
/** What npm said. */
let notes = "";
try {
  const folder = await emptyProject();
  notes = (await npm(folder, "install", "--prefer-offline", "--no-package-lock", await packed())).stderr;
  project = folder;
} catch (error) {
  const { stderr } = error as { stderr?: string };
  if (!OFFLINE.test(stderr ?? "")) throw error;
  reason = "the npm registry cannot be reached";
}

/** A test that needs the registry. */
function online(name: string, body: () => Promise<void>, without = reason): void {
  if (without === "") return void test(name, body);
  test.skip(`${name} (${without})`);
}

online("npm: every folder is required and imported, and nothing is left behind", () => works(project));

for (const [name, manager] of Object.entries(MANAGERS)) {
  const { from, program, add } = manager;
  const version = reason ? undefined : await exec(root, from, program, "--version").catch(() => undefined);
  const without = reason || (version ? "" : `${from} cannot be had`);
  online(
    `${name}: the same`,
    async () => {
      const folder = await emptyProject();
      for (const [file, text] of Object.entries("files" in manager ? manager.files : {}))
        await writeFile(join(folder, file), text);
      await exec(folder, from, program, ...add, `ditlab@file:${await packed()}`);
      await works(folder);
    },
    without,
  );
}

online("strict types in both resolutions, without skipLibCheck", async () => {
  const consumer = `${NAMES.map((name, i) => `import * as part${i} from "${name}";`).join("\n")}
import { jit, type Tensor, tf } from "ditlab";
export const double = jit((x: Tensor): Tensor => x.mul(tf.scalar(2)));
export const value: Promise<Tensor> = double(tf.zeros([1]));
// @ts-expect-error a string is no tensor: the declarations are found, and are not any
export const wrong = double("1");
export { ${NAMES.map((_, i) => `part${i}`).join(", ")} };
`;
  const file = join(project, "consumer.mts");
  await writeFile(file, consumer);
  for (const [module, moduleResolution] of [
    [ts.ModuleKind.Node16, ts.ModuleResolutionKind.Node16],
    [ts.ModuleKind.ESNext, ts.ModuleResolutionKind.Bundler],
  ] as const) {
    const program = ts.createProgram([file], {
      module,
      moduleResolution,
      target: ts.ScriptTarget.ES2022,
      strict: true,
      noEmit: true,
      skipLibCheck: false,
    });
    // Not those of tfjs and others, which are not ours to mend.
    const problems = program
      .getSourceFiles()
      .filter(({ fileName }) => !/node_modules\/(?!ditlab\/)/.test(fileName))
      .filter(({ fileName }) => fileName.startsWith(project))
      .flatMap((source) => ts.getPreEmitDiagnostics(program, source))
      .map(
        ({ file: source, messageText: text }) =>
          `${source?.fileName}: ${ts.flattenDiagnosticMessageText(text, "\n")}`,
      );
    assert.equal(problems, [], ts.ModuleResolutionKind[moduleResolution]);
  }
});

online("a backend that was chosen before stays", async () => {
  await writeFile(
    join(project, "chosen.mjs"),
    `import tf from "@tensorflow/tfjs-core";
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
tf.registerBackend("mine", () => new MathBackendCPU());
await tf.setBackend("mine");
const { tf: ours } = await import("ditlab");
await import("ditlab/samplers");
console.log(JSON.stringify([tf.getBackend(), ours === tf]));`,
  );
  assert.equal(await result(project, "chosen.mjs"), ["mine", true]);
});

online("another version of tfjs beside ours, before and after: right, and at most a sentence", async () => {
  const other = join(project, "other");
  await mkdir(other);
  await writeFile(join(other, "package.json"), JSON.stringify({ name: "other", private: true }));
  const packages = ["core", "backend-cpu"].map((part) => `@tensorflow/tfjs-${part}@4.20.0`);
  await npm(other, "install", "--prefer-offline", "--no-package-lock", ...packages);
  const theirs = 'require("@tensorflow/tfjs-core"); require("@tensorflow/tfjs-backend-cpu");';
  const load = {
    theirs: `const { createRequire } = require("node:module"); const mine = (() => { const require = createRequire(${JSON.stringify(pathToFileURL(join(other, "x.js")).href)}); ${theirs} return require("@tensorflow/tfjs-core"); })();`,
    ours: 'const { tf, jit } = require("ditlab");',
  };
  const use = `(async () => {
    const triple = jit((x) => tf.mul(x, 3));
    const values = [await triple(mine.tensor1d([1, 2])), tf.add(mine.scalar(1), 2), mine.add(tf.scalar(1), 2), tf.grad((x) => x.square())(mine.scalar(4)), tf.scalar(2).mul(2)];
    const numbers = values.map((value) => Array.from(value.dataSync()));
    await triple.dispose();
    process.stdout.write(JSON.stringify({ versions: [mine.version_core, tf.version_core], numbers, said }));
  })();`;
  const listen =
    'const said = []; for (const way of ["log", "warn", "error"]) console[way] = (...text) => said.push(text.join(" "));';
  for (const [order, parts] of Object.entries({
    first: [load.theirs, load.ours],
    second: [load.ours, load.theirs],
    "after a computation": [load.ours, "tf.scalar(1).square();", load.theirs],
  })) {
    await writeFile(join(project, "beside.cjs"), [listen, ...parts, use].join("\n"));
    const { said, ...values } = (await result(project, "beside.cjs")) as { said: string[] };
    assert.equal(values, { versions: ["4.20.0", "4.22.0"], numbers: [[3, 6], [3], [3], [8], [4]] }, order);
    assert.ok(said.length <= 1, `${order}: ${said.join("\n")}`);
  }
});

test("a clone without its dependencies refuses to be packed, with the command", async () => {
  const folder = await freshClone();
  await rejects(
    npm(folder, "pack", "--offline"),
    /ditlab cannot be built: typescript, .* are not installed; run 'npm ci --include=dev'/,
  );
  assert.equal(
    (await readdir(folder)).filter((name) => name.endsWith(".tgz")),
    [],
  );
});

online(
  "npm, from git: built on the way",
  async () => {
    const folder = await emptyProject();
    await npm(
      folder,
      "install",
      "--prefer-offline",
      "--no-package-lock",
      `git+${pathToFileURL(root).href.replace(/\/$/, "")}`,
    );
    assert.ok(existsSync(join(folder, "node_modules/ditlab/dist/lib/index.js")));
    await works(folder);
  },
  reason || (process.env.DITLAB_INSTALL === "git" ? "" : "takes a minute; with DITLAB_INSTALL=git"),
);

test("no dependency asks for a later Node than ditlab does, or runs a script that downloads", async () => {
  const { packages } = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, { engines?: { node?: string }; dev?: boolean; hasInstallScript?: boolean }>;
  };
  const inUse = Object.entries(packages).filter(([name, { dev }]) => name !== "" && !dev);
  const least = (range = ""): number =>
    Math.min(...[...range.matchAll(/(?:>=|\^|~) *(\d+)/g)].map(([, major]) => +major));
  assert.equal(
    inUse.filter(
      ([, { engines }]) => engines?.node && Number.isFinite(least(engines.node)) && least(engines.node) > 20,
    ),
    [],
  );
  // These look for the binary that they hold.
  assert.equal(
    inUse.filter(([, { hasInstallScript }]) => hasInstallScript).map(([name]) => name),
    ["node_modules/koffi", "node_modules/zeromq"],
  );
  assert.not.match(notes, /EBADENGINE|deprecated/);
});

test.run();
