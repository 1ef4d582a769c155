/** `ditlab setup tensorflow` on a machine of small scripts: what it makes, what it leaves, and what it says. */
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compilerArguments } from "../../../lib/devices/tensorflow/build.ts";
import { cudaRequirements, requirement } from "../../../lib/devices/tensorflow/fetch-wheel.ts";
import { missingSetup, readSetup, recordFile, unsupported } from "../../../lib/devices/tensorflow/record.ts";
import {
  removeTensorFlow,
  type SetupOptions,
  setUpTensorFlow,
} from "../../../lib/devices/tensorflow/setup.ts";
import { headersIn, installedPackage } from "../../../lib/devices/tensorflow/sources.ts";
import { tensorFlowBelow } from "../../../lib/devices/tensorflow/wheel.ts";
import { ditlab } from "../../cli/helpers.ts";
import { writeFiles } from "../../data/images.ts";
import { rejects, temporaryFolder } from "../../io/helpers.ts";
import { machine, site } from "./machine.ts";

const COMMAND = "npx ditlab setup tensorflow";

/** A setup whose check is said to be good, and what it told. */
async function setUp(options: SetupOptions = {}) {
  const lines: string[] = [];
  const check = async () => "TensorFlow";
  const outcome = await setUpTensorFlow({ check, say: (line) => lines.push(line), ...options });
  return { ...outcome, lines };
}

/** A test on such a machine. */
function onMachine(name: string, body: (made: Awaited<ReturnType<typeof machine>>) => Promise<void>): void {
  const fits = unsupported() === undefined;
  (fits ? test : test.skip)(name, async () => {
    const made = await machine();
    try {
      await body(made);
    } finally {
      made.leave();
    }
  });
}

const made = (home: string): Promise<string[]> => readdir(join(home, "tensorflow")).catch(() => []);

onMachine("from a folder: made, recorded, made once, and taken away but for the folder", async ({ home }) => {
  const from = await site();
  assert.equal(missingSetup(), {
    problem: "it needs TensorFlow's library, which is not set up",
    fix: COMMAND,
  });
  const first = await setUp({ from });
  assert.is(first.isNew, true);
  assert.is(first.lines[0], `TensorFlow 2.21.0, which lies in ${from}/tensorflow`);
  const setup = readSetup()!;
  assert.equal([setup.tensorflow, setup.version], [join(from, "tensorflow"), "2.21.0"]);
  assert.equal([setup.hasCuda, setup.isOurs], [false, false]);
  assert.is(missingSetup(), undefined);
  assert.equal((await made(home)).map((name) => name.split("-")[0]).sort(), ["addon", "setup.json"]);
  for (const again of [from, join(from, "tensorflow"), undefined])
    assert.is((await setUp({ from: again })).isNew, false);
  // Another folder is another setup, in place of the first.
  const other = await site();
  assert.is((await setUp({ from: other })).isNew, true);
  assert.is(readSetup()!.tensorflow, join(other, "tensorflow"));
  assert.is((await made(home)).length, 2);
  await writeFile(join(home, "tensorflow/mine.txt"), "");
  assert.is(await removeTensorFlow(), true);
  assert.equal(await made(home), ["mine.txt"]);
  assert.ok(existsSync(join(other, "tensorflow/libtensorflow_cc.so.2")));
  assert.is(await removeTensorFlow(), false);
});

onMachine("what moves or changes is noticed, with the command that helps", async () => {
  const from = await site();
  await setUp({ from });
  const library = join(from, "tensorflow/libtensorflow_cc.so.2");
  await writeFile(library, "another");
  const changed = `${library} is no longer the file that it was set up with`;
  assert.equal(missingSetup(), { problem: changed, fix: COMMAND });
  assert.is((await setUp({ from })).lines[0], `setting it up anew: ${changed}`);
  assert.is(missingSetup(), undefined);
  const { addon } = readSetup()!;
  await writeFile(addon, "damaged");
  assert.is(missingSetup()!.problem, `its addon ${addon} is gone or has changed`);
  assert.is((await setUp({ from })).isNew, true);
  await rename(join(from, "tensorflow"), join(from, "elsewhere"));
  assert.is(missingSetup()!.problem, `${library}, which it was set up with, is gone`);
  await rejects(setUp({ from }), /holds no TensorFlow; expected its folder 'tensorflow', site-packages/);
  // Until it is set up anew, what there was stays, in case that the folder comes back.
  assert.is(missingSetup()!.problem, `${library}, which it was set up with, is gone`);
  await writeFile(recordFile(), "{}");
  assert.match(missingSetup()!.problem, /setup\.json is no record of a setup \(ditlab-tensorflow\/1\)$/);
  await rename(join(from, "elsewhere"), join(from, "tensorflow"));
  assert.is((await setUp({ from })).isNew, true);
});

onMachine(
  "what fails leaves nothing behind, and an earlier setup as it was",
  async ({ home, tell, folder }) => {
    const fail = async (): Promise<string> => {
      throw new Error("a product came to 1, expected 2");
    };
    const nothing = async (promise: Promise<unknown>, pattern: RegExp): Promise<void> => {
      await rejects(promise, pattern);
      assert.not.ok(existsSync(join(home, "tensorflow")));
    };
    const from = await site();
    await nothing(setUp({ from, check: fail }), /^a product came to 1, expected 2$/);
    await nothing(setUp({ check: fail }), /^a product/);
    await tell("broken");
    await nothing(
      setUp({ from }),
      /^g\+\+ cannot compile the addon against TensorFlow 2\.21\.0 in .*: x\.cc:1:1: error: no member named y$/,
    );
    await rm(join(folder, "broken"));
    await tell("offline");
    await nothing(
      setUp({ from }),
      /^npm cannot fetch @tensorflow\/tfjs-node@4\.22\.0: .*network request failed/,
    );
    await nothing(setUp(), /^pip cannot fetch tensorflow.*: ERROR: No matching distribution found; expected/);
    await rm(join(folder, "offline"));
    process.env.CXX = "no-such-compiler";
    await nothing(setUp({ from }), /^there is no no-such-compiler, which compiles .*: apt install g\+\+$/);
    delete process.env.CXX;
    await nothing(setUp({ from, hasCuda: true }), /is a build without CUDA, expected one with$/);
    await nothing(setUp({ from: folder }), /holds no TensorFlow; expected/);
    await rm(join(from, "tensorflow/include"), { recursive: true });
    await nothing(
      setUp({ from }),
      /has no include\/tensorflow\/c\/c_api\.h; expected the folder of TensorFlow/,
    );

    await setUp({ from: await site() });
    const before = await readFile(recordFile(), "utf8");
    await rejects(setUp({ from: await site(), check: fail }), /^a product/);
    assert.is(await readFile(recordFile(), "utf8"), before);
    assert.is(missingSetup(), undefined);
    assert.is((await made(home)).length, 2);
  },
);

onMachine("a setup that is stopped leaves nothing behind", async ({ home, tell }) => {
  await tell("slow");
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 300);
  await rejects(
    setUp({ from: await site(), signal: stop.signal }),
    /^the setup was stopped, and has left nothing behind$/,
  );
  assert.not.ok(existsSync(join(home, "tensorflow")));
});

onMachine(
  "without a folder: Python's own TensorFlow, else a wheel by pip",
  async ({ home, folder, tell }) => {
    const own = await site();
    await tell("python-has", join(own, "tensorflow"));
    await setUp();
    assert.is(readSetup()!.tensorflow, join(own, "tensorflow"));
    // It has no CUDA.
    await setUp({ hasCuda: true });
    const wheel = join(home, "tensorflow/wheel-2.21.0-cuda");
    const { tensorflow, hasCuda, isOurs } = readSetup()!;
    assert.equal(
      { tensorflow, hasCuda, isOurs },
      { tensorflow: `${wheel}/tensorflow`, hasCuda: true, isOurs: true },
    );
    const files = (await readdir(wheel, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(wheel.length + 1));
    assert.equal(files.sort(), [
      "nvidia/cublas/lib/libcublas.so.12",
      "nvidia/cublas/lib/libnvblas.so.12",
      "nvidia/cuda_nvcc/bin/ptxas",
      "tensorflow-2.21.0.dist-info/METADATA",
      "tensorflow/include/tensorflow/c/c_api.h",
      "tensorflow/libtensorflow_cc.so.2",
      "tensorflow/libtensorflow_framework.so.2",
      "tensorflow/python/platform/build_info.py",
    ]);
    assert.ok((await stat(join(wheel, "nvidia/cuda_nvcc/bin/ptxas"))).mode & 0o100);
    const log = await readFile(join(folder, "pip.log"), "utf8");
    assert.match(log, /--no-deps --only-binary=:all: --dest \S+ tensorflow==2\.21\.\*\n/);
    assert.match(log, /--dest \S+ nvidia-cublas-cu12<13\.0,>=12\.5\.3\.2 nvidia-cudnn-cu12<10\.0,>=9\.3\n/);
    // A wheel that was fetched is not fetched again.
    await rm(readSetup()!.addon);
    assert.is((await setUp({ hasCuda: true })).isNew, true);
    assert.is(await readFile(join(folder, "pip.log"), "utf8"), log);
    // Another one goes with the setup that it was for.
    await tell("python-has");
    await setUp({ hasCuda: false });
    assert.equal((await made(home)).map((name) => name.replace(/^addon.*/, "addon")).sort(), [
      "addon",
      "setup.json",
      "wheel-2.21.0-cpu",
    ]);
    await removeTensorFlow();
    assert.not.ok(existsSync(join(home, "tensorflow")));
  },
);

onMachine("what a process that was killed has left goes with the next setup", async ({ home }) => {
  // No process has this number.
  const dead = ["half-4194305-abc", "half-4194305-abc.download", "addon-4194305-abc"];
  const alive = `half-${process.ppid}-abc`;
  for (const name of [...dead, alive]) await mkdir(join(home, "tensorflow", name), { recursive: true });
  await setUp({ from: await site() });
  assert.equal(
    (await made(home)).filter((name) => name.includes("abc")),
    [alive],
  );
});

test("the linker is told where libraries lie, and to load CUDA's first", async () => {
  const from = await site(true);
  const wheel = tensorFlowBelow(from);
  assert.is(wheel.hasCuda, true);
  const args = compilerArguments({ sources: "/binding", headers: "/headers" }, wheel, "/out.node");
  const rpaths = args.flatMap((arg, i) => (arg === "-rpath" ? [args[i + 2]] : []));
  assert.equal(rpaths, [join(from, "tensorflow"), join(from, "nvidia/cublas/lib")]);
  assert.equal(args.slice(-4), [
    "-l:libtensorflow_cc.so.2",
    "-l:libtensorflow_framework.so.2",
    "-Wl,--no-as-needed",
    "-l:libcublas.so.12",
  ]);
});

test("a folder is TensorFlow's, site-packages or an environment", async () => {
  const from = await site();
  const environment = await temporaryFolder();
  await cp(from, join(environment, "lib/python3.12/site-packages"), { recursive: true });
  const found = [from, join(from, "tensorflow"), environment].map((folder) => tensorFlowBelow(folder).folder);
  assert.equal(found, [
    join(from, "tensorflow"),
    join(from, "tensorflow"),
    join(environment, "lib/python3.12/site-packages/tensorflow"),
  ]);
});

test("wheels by processor; what CUDA's needs beside it", () => {
  assert.equal(
    [requirement(false, "x64"), requirement(true, "x64"), requirement(false, "arm64")],
    ["tensorflow-cpu==2.21.*", "tensorflow==2.21.*", "tensorflow==2.21.*"],
  );
  assert.throws(() => requirement(true, "arm64"), /no wheel with CUDA for arm64; expected --cpu, or --from/);
  assert.equal(cudaRequirements('Requires-Dist: numpy; extra == "other"\n'), []);
});

test("other systems are told that it is Linux alone", () => {
  assert.is(unsupported("linux", "x64"), undefined);
  assert.is(unsupported("linux", "arm64"), undefined);
  assert.is(
    unsupported("darwin", "arm64"),
    "TensorFlow's libraries can be set up on Linux (x64 and arm64) alone, and this is darwin on arm64",
  );
  assert.match(unsupported("win32", "x64")!, /this is win32 on x64$/);
  assert.match(unsupported("linux", "riscv64")!, /this is linux on riscv64$/);
});

onMachine(
  "the project's own package is taken, whatever its install script did; headers where Node has none",
  async ({ folder }) => {
    const at = await temporaryFolder();
    const find = (name: string) =>
      name === "@tensorflow/tfjs-node-gpu" ? join(at, "dist/index.js") : undefined;
    assert.is(installedPackage(find), undefined);
    const json = (version: string) => JSON.stringify({ name: "@tensorflow/tfjs-node-gpu", version });
    await writeFiles(at, { "package.json": json("4.20.0") });
    // Another version does not fit ditlab's tfjs.
    assert.is(installedPackage(find), undefined);
    await writeFiles(at, { "package.json": json("4.22.0") });
    assert.equal(installedPackage(find), { name: "@tensorflow/tfjs-node-gpu", folder: at });
    await writeFiles(at, { "own/node_api.h": "" });
    assert.is(await headersIn(join(at, "headers"), {}, join(at, "own")), join(at, "own"));
    assert.is(await headersIn(join(at, "headers"), {}, join(at, "none")), join(at, "headers/include"));
    assert.is(await readFile(join(folder, "npm.log"), "utf8"), "node-api-headers\n");
  },
);

test("the command: what can be set up, and its options", async () => {
  for (const [args, code, message] of [
    [["setup"], 2, /setup needs the name of a device; expected one of .*tensorflow/],
    [["setup", "wasm"], 2, /'wasm' is no device that is set up; expected one of .*tensorflow/],
    [["setup", "tensorflow", "--cpu", "--gpu"], 2, /expected one of them at most/],
    [["setup", "tensorflow", "--remove", "--cpu"], 2, /expected no option beside it/],
    [["setup", "tensorflow", "--from", "/nowhere"], 1, /\/nowhere holds no TensorFlow; expected its folder/],
  ] as const) {
    if (code === 1 && unsupported()) continue;
    const outcome = await ditlab([...args], { DITLAB_HOME: await temporaryFolder(), CXX: "true" });
    assert.is(outcome.code, code, args.join(" "));
    assert.match(outcome.stderr, message);
  }
  const removed = await ditlab(["setup", "tensorflow", "--remove"], { DITLAB_HOME: await temporaryFolder() });
  assert.is(removed.stdout, "device 'tensorflow' is not set up\n");
});

test.run();
