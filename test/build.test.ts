/** The package as npm packs it, used from a folder of its own: by plain Node, by a consumer's tsc, as a command. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, mkdir, readdir, readFile, realpath, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import ts from "typescript";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "./io/helpers.ts";
import { freshClone, packed, root } from "./packed.ts";

const run = promisify(execFile);
const folders = (await readdir(join(root, "lib"))).filter((name) =>
  existsSync(join(root, "lib", name, "index.ts")),
);
const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));

/** A consumer's folder. */
let home = "";
let installed = "";

const node = async (...args: string[]): Promise<string> => {
  const { stdout } = await run(process.execPath, args, { cwd: home });
  return stdout.trim();
};

/** Unpacks the package where npm would. */
test.before(async () => {
  // Real path: tsc reports files by it.
  home = await realpath(await temporaryFolder());
  installed = join(home, "node_modules/ditlab");
  await mkdir(installed, { recursive: true });
  await run("tar", ["-xzf", await packed(), "-C", installed, "--strip-components=1"]);
  await symlink(join(root, "node_modules"), join(installed, "node_modules"), "junction");
  await writeFile(join(home, "package.json"), JSON.stringify({ name: "consumer", type: "module" }));
});

test("the package holds the build, the command and the documentation, and no sources", async () => {
  const files = (await readdir(installed, { recursive: true })).filter(
    (file) => !file.startsWith("node_modules"),
  );
  for (const file of [
    "dist/lib/index.js",
    "dist/lib/index.d.ts",
    "lib/cli/bin.js",
    "docs/api.md",
    "LICENSE",
  ]) {
    assert.ok(files.includes(join(file)), `${file} is missing`);
  }
  const sources = files.filter(
    (file) => /(?<!\.d)\.ts$/.test(file) || /^(test|bench)\b|docs..vitepress/.test(file),
  );
  assert.equal(sources, []);
});

test("plain Node imports ditlab and every folder", async () => {
  const names = ["ditlab", ...folders.map((folder) => `ditlab/${folder}`)];
  await writeFile(
    join(home, "imports.js"),
    `const counts = {};
for (const name of ${JSON.stringify(names)}) counts[name] = Object.keys(await import(name)).length;
const { jit } = await import("ditlab/jit");
const { tf } = await import("ditlab");
const double = jit((x) => tf.mul(x, 2));
const [four] = (await double(tf.tensor1d([2]))).dataSync();
await double.dispose();
console.log(JSON.stringify({ counts, four }));`,
  );
  const { counts, four } = JSON.parse(await node("imports.js"));
  assert.equal(Object.keys(counts), names);
  for (const name of names) assert.ok(counts[name] > 0, name);
  assert.is(four, 4);
});

test("an import that is not exported fails", async () => {
  await writeFile(join(home, "inside.js"), `await import("ditlab/jit/trace.js");`);
  const message = await node("inside.js").catch(({ stderr }: { stderr: string }) => stderr);
  assert.match(message, /ERR_MODULE_NOT_FOUND|ERR_PACKAGE_PATH_NOT_EXPORTED/);
});

test("a consumer type-checks against the declarations", async () => {
  const consumer = join(home, "consumer.ts");
  await writeFile(
    consumer,
    `import { jit, makeNetwork, type NetworkConfig, type Params, randomGenerator, type Tensor, tf, TRANSFORMER_DEFAULTS } from "ditlab";
${folders.map((folder) => `import * as ${folder}Folder from "ditlab/${folder}";`).join("\n")}
import { type Predict, sample } from "ditlab/samplers";
import type { TrainState } from "ditlab/train";

const config: NetworkConfig = {
  ...TRANSFORMER_DEFAULTS, inputSize: 8, patchSize: 4, inChannels: 1, hiddenSize: 8, depth: 1, numHeads: 2, numClasses: 2,
};
const network = makeNetwork(config);
const model = jit((params: Params, x: Tensor, t: Tensor, y: Tensor): Tensor => network.apply(params, x, t, { y }).output);
const params = network.init(randomGenerator(1));
const velocity: Predict = (x, t) => model(params, x, tf.fill([1], t), tf.zeros([1], "int32"));
const result: Promise<Tensor> = sample("euler", velocity, tf.zeros([1, 1, 8, 8]), { steps: 1 });
export const state = (given: TrainState): Tensor => given.ema.pos_embed;
// @ts-expect-error steps is a number: the declarations are found, and are not any
export const wrong = sample("euler", velocity, tf.zeros([1]), { steps: "1" });
export { result, ${folders.map((folder) => `${folder}Folder`).join(", ")} };
`,
  );
  const program = ts.createProgram([consumer], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
  });
  const own = program
    .getSourceFiles()
    .filter(({ fileName }) => fileName.startsWith(join(home, "")) && !/@tensorflow/.test(fileName));
  assert.ok(own.some(({ fileName }) => fileName.endsWith("dist/lib/samplers/sample.d.ts")));
  assert.not(own.some(({ fileName }) => dirname(fileName).includes("/lib/") && !fileName.endsWith(".d.ts")));
  const problems = own
    .flatMap((file) => ts.getPreEmitDiagnostics(program, file))
    .map(
      ({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
    );
  assert.equal(problems, []);
});

test("the command starts from the build", async () => {
  const bin = join(installed, manifest.bin.ditlab);
  assert.is(await node(bin, "--version"), manifest.version);
  assert.match(await node(bin, "--help"), /train[\s\S]*sample/);
});

test("devices are tried from the build", async () => {
  const found = JSON.parse(await node(join(installed, "lib/cli/bin.js"), "devices", "--json"));
  const [cpu] = found.devices;
  assert.equal([cpu.device, cpu.works], ["cpu", true]);
});

test("a checkout whose build is missing is built for the kernel as npm builds it, and can be imported", async () => {
  const folder = await freshClone();
  await symlink(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  await writeFile(
    join(folder, "ensure.mjs"),
    `import { ensureBuilt } from "./kernel/install/build.ts";
ensureBuilt();
console.log((await import("ditlab")).tf.version_core);`,
  );
  const tsx = pathToFileURL(join(root, "node_modules/tsx/dist/loader.mjs")).href;
  const { stdout } = await run(process.execPath, ["--import", tsx, "ensure.mjs"], { cwd: folder });
  assert.is(stdout.trim(), "4.22.0");
  assert.equal(await readdir(join(folder, "dist")), await readdir(join(installed, "dist")));

  // The command takes that build while it is as new as the sources, of which the build here lets itself be told apart.
  await appendFile(join(folder, "dist/kernel/cli/main.js"), '\nconsole.log("from the build");\n');
  const version = async () => {
    const { stdout } = await run(process.execPath, [join(folder, "lib/cli/bin.js"), "--version"]);
    return stdout.trim().split("\n");
  };
  assert.equal(await version(), ["from the build", manifest.version]);
  const later = new Date(Date.now() + 5000);
  await utimes(join(folder, "lib/train/index.ts"), later, later);
  assert.equal(await version(), [manifest.version]);
});

test.run();
