/** `ditlab setup cuda` on a machine of small scripts: what it finds and fetches, what it leaves, and what it says. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { foundBelow, requirements } from "../../../lib/devices/cuda/find.ts";
import { changedSetup, productsVersion } from "../../../lib/devices/cuda/hardware.ts";
import {
  type CudaSetupOptions,
  removeCuda,
  setUpCuda,
  unsupported,
} from "../../../lib/devices/cuda/setup.ts";
import { mayHaveCuda } from "../../../lib/devices/cuda/sight.ts";
import { candidatesFor, companionsOf, placesOf } from "../../../lib/jit/targets/cuda/libraries.ts";
import { manifestFile, readManifest } from "../../../lib/jit/targets/cuda/manifest.ts";
import { ditlab } from "../../cli/helpers.ts";
import { writeFiles } from "../../data/images.ts";
import { rejects, temporaryFolder } from "../../io/helpers.ts";
import { buildStandIns } from "../../jit/cuda/standin/build.ts";
import { machine, WHEELS } from "./machine.ts";

/** A setup whose check is said to be good, and what it told. */
async function setUp(options: CudaSetupOptions = {}) {
  const lines: string[] = [];
  const check = async () => "NVRTC";
  const outcome = await setUpCuda({ check, say: (line) => lines.push(line), ...options });
  return { ...outcome, lines };
}

/** A test on such a machine, which has no driver. */
function onMachine(name: string, body: (made: Awaited<ReturnType<typeof machine>>) => Promise<void>): void {
  if (unsupported() !== undefined || mayHaveCuda()) {
    test.skip(`${name} (${unsupported() ?? "there is NVIDIA's driver"})`, () => {});
    return;
  }
  test(name, async () => {
    const made = await machine();
    try {
      await body(made);
    } finally {
      made.leave();
    }
  });
}

const made = (home: string): Promise<string[]> => readdir(join(home, "cuda")).catch(() => []);
const kinds = async (home: string): Promise<string[]> =>
  (await made(home)).map((name) => name.replace(/-\d+-\w+$/, "")).sort();

/** A folder like site-packages with the wheels of a version. */
async function site(major: 12 | 13): Promise<string> {
  const folder = await temporaryFolder();
  for (const [name, files] of Object.entries(WHEELS))
    if (name.endsWith("-cu12") === (major === 12)) await writeFiles(folder, files);
  return folder;
}

onMachine(
  "by pip: what is kept of NVIDIA's wheels, recorded, made once, and taken away",
  async ({ home, folder }) => {
    const first = await setUp({ major: 13 });
    assert.is(first.isNew, true);
    assert.is(
      first.lines[0],
      "fetching NVIDIA's NVRTC and cuBLASLt for CUDA 13 by pip (0.5 GB, 0.7 GB unpacked) ...",
    );
    assert.equal(await kinds(home), ["setup.json", "wheels-13"]);
    const [wheels] = (await made(home)).filter((name) => name.startsWith("wheels"));
    const at = join(home, "cuda", wheels);
    const files = (await readdir(at, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(at.length + 1));
    assert.equal(files.sort(), [
      "nvidia/cu13/lib/libcublasLt.so.13",
      "nvidia/cu13/lib/libnvrtc-builtins.so.13.0",
      "nvidia/cu13/lib/libnvrtc.so.13",
      "nvidia_cuda_nvrtc-13.0.88.dist-info/METADATA",
      "nvidia_cuda_nvrtc-13.0.88.dist-info/licenses/License.txt",
    ]);
    const { major, isOurs, libraries, others } = readManifest()!;
    assert.equal([major, isOurs, others.length], [13, true, 1]);
    assert.is(libraries.nvrtc!.file, join(at, "nvidia/cu13/lib/libnvrtc.so.13"));
    assert.match(libraries.cublasLt!.sha256, /^[0-9a-f]{64}$/);
    assert.is(candidatesFor("nvrtc", 13000)[0], libraries.nvrtc!.file);
    // A driver that is older cannot run them.
    assert.not.ok(candidatesFor("nvrtc", 12040).some((file) => file.endsWith(".13")));
    assert.match(
      await readFile(join(folder, "pip.log"), "utf8"),
      /--no-deps --only-binary=:all: --dest \S+ nvidia-cuda-nvrtc>=13,<14 nvidia-cublas>=13,<14\n$/,
    );
    for (const again of [{ major: 13 }, {}]) assert.is((await setUp(again)).isNew, false);
    // The other version is another setup, in place of the first.
    assert.is((await setUp({ major: 12 })).isNew, true);
    assert.equal(await kinds(home), ["setup.json", "wheels-12"]);
    assert.ok(readManifest()!.libraries.nvrtc!.file.endsWith("nvidia/cuda_nvrtc/lib/libnvrtc.so.12"));
    assert.ok(candidatesFor("cublasLt", 13000)[0].endsWith("nvidia/cublas/lib/libcublasLt.so.12"));
    await writeFile(join(home, "cuda/mine.txt"), "");
    assert.is(await removeCuda(), true);
    assert.equal(await made(home), ["mine.txt"]);
    assert.is(await removeCuda(), false);
  },
);

onMachine("from a folder only a record is made; without cuBLASLt, too", async ({ home }) => {
  const from = await site(13);
  await setUp({ from });
  assert.equal(await kinds(home), ["setup.json"]);
  assert.is(readManifest()!.isOurs, false);
  assert.is((await setUp({ from })).isNew, false);
  await rm(join(from, "nvidia/cu13/lib/libcublasLt.so.13"));
  const { lines } = await setUp({ from });
  assert.match(lines[0], /^setting it up anew: .*libcublasLt\.so\.13, which CUDA was set up with, is gone$/);
  assert.is(lines[2], "no cuBLASLt: products are slower");
  assert.is(readManifest()!.libraries.cublasLt, undefined);
  const small = await setUp({ major: 13, hasProducts: false });
  assert.is(small.isNew, false);
  await removeCuda();
  assert.ok(existsSync(join(from, "nvidia/cu13/lib/libnvrtc.so.13")));
  assert.is((await setUp({ major: 12, hasProducts: false })).lines[0].includes("0.1 GB"), true);
  assert.is(readManifest()!.libraries.cublasLt, undefined);
});

onMachine("what moves or changes is noticed, to the byte where somebody asks", async () => {
  const from = await site(13);
  await setUp({ from });
  assert.is(await changedSetup(), undefined);
  const file = join(from, "nvidia/cu13/lib/libnvrtc.so.13");
  await writeFile(file, "other");
  assert.equal(await changedSetup(), {
    problem: `${file} is no longer the file that CUDA was set up with`,
    fix: "npx ditlab setup cuda",
  });
  assert.not.ok(candidatesFor("nvrtc", 13000).includes(file));
  await setUp({ from });
  // As many bytes, written at the same time.
  const manifest = JSON.parse(await readFile(manifestFile(), "utf8"));
  manifest.libraries.nvrtc.sha256 = "0".repeat(64);
  await writeFile(manifestFile(), JSON.stringify(manifest));
  assert.ok(candidatesFor("nvrtc", 13000).includes(file));
  assert.is((await changedSetup())!.problem, `${file} has other bytes than CUDA was set up with`);
  assert.is((await setUp({ from })).isNew, true);
  await rename(join(from, "nvidia"), join(from, "elsewhere"));
  assert.match((await changedSetup())!.problem, /which CUDA was set up with, is gone$/);
  await rejects(
    setUp({ from }),
    /holds no libnvrtc\.so\.13 or libnvrtc\.so\.12; expected CUDA's toolkit, a Python/,
  );
  await writeFile(manifestFile(), "{}");
  assert.match(
    (await changedSetup())!.problem,
    /setup\.json is no record of CUDA's libraries \(ditlab-cuda\/1\)$/,
  );
  assert.ok(candidatesFor("nvrtc", 13000).length > 0);
});

onMachine(
  "what fails or is stopped leaves nothing behind, and an earlier setup as it was",
  async ({ home, tell, folder }) => {
    const nothing = async (promise: Promise<unknown>, pattern: RegExp): Promise<void> => {
      await rejects(promise, pattern);
      assert.not.ok(existsSync(join(home, "cuda")));
    };
    const check = async (): Promise<string> => {
      throw new Error("a product came to 1, expected 6");
    };
    await nothing(setUp({ major: 13, check }), /^a product came to 1, expected 6$/);
    await nothing(setUp({ from: await site(13), check }), /^a product/);
    await nothing(
      setUp(),
      /^no driver says which version of CUDA fits: .*; for another machine's GPU name it: npx ditlab setup cuda --major 13 or 12$/,
    );
    await tell("offline");
    await nothing(
      setUp({ major: 13 }),
      /^pip cannot fetch nvidia-cuda-nvrtc>=13,<14 nvidia-cublas>=13,<14: ERROR: No matching .*; expected Python with pip, or --from/,
    );
    await rm(join(folder, "offline"));
    await tell("slow");
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 300);
    await nothing(
      setUp({ major: 13, signal: stop.signal }),
      /^the setup was stopped, and has left nothing behind$/,
    );
    await rm(join(folder, "slow"));
    await setUp({ major: 13 });
    const before = await readFile(manifestFile(), "utf8");
    await rejects(setUp({ major: 12, check }), /^a product/);
    assert.is(await readFile(manifestFile(), "utf8"), before);
    assert.equal(await kinds(home), ["setup.json", "wheels-13"]);
    // What a process that was killed has left goes with the next setup; no process has this number.
    for (const name of ["half-4194305-abc", "half-4194305-abc.download", "wheels-13-4194305-abc"])
      await mkdir(join(home, "cuda", name));
    await setUp({ major: 12 });
    assert.equal(await kinds(home), ["setup.json", "wheels-12"]);
  },
);

test("libraries are found where toolkits and Pythons have them, without starting one", async () => {
  const root = await temporaryFolder();
  const at = (...parts: string[]): string => join(root, ...parts);
  await writeFiles(root, {
    "given/libnvrtc.so.12": "",
    "venv/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13": "",
    "conda/lib/libnvrtc.so.12": "",
    "toolkit/lib64/libnvrtc.so.13": "",
    "user/lib/python3.9/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12": "",
    "user/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12": "",
    "debian/lib/python3/dist-packages/nvidia/cu13/lib/libnvrtc.so.13": "",
    "debian/lib/python3/dist-packages/nvidia/cu13/lib/libnvrtc-builtins.so.13.0": "",
  });
  const environment = {
    DITLAB_CUDA_PATH: at("given"),
    VIRTUAL_ENV: at("venv"),
    CONDA_PREFIX: at("conda"),
    CUDA_HOME: at("toolkit"),
  };
  const before = process.env.DITLAB_HOME;
  process.env.DITLAB_HOME = at("home");
  const places = placesOf(environment, [at("user"), at("debian")]).filter((path) => path.startsWith(root));
  const found = candidatesFor("nvrtc", 13000, environment, places);
  const older = candidatesFor("nvrtc", 12090, environment, places);
  if (before === undefined) delete process.env.DITLAB_HOME;
  else process.env.DITLAB_HOME = before;
  assert.equal(found, [
    at("given/libnvrtc.so.12"),
    at("venv/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13"),
    at("conda/lib/libnvrtc.so.12"),
    at("toolkit/lib64/libnvrtc.so.13"),
    at("user/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"),
    at("user/lib/python3.9/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"),
    at("debian/lib/python3/dist-packages/nvidia/cu13/lib/libnvrtc.so.13"),
    "libnvrtc.so.13",
    "libnvrtc.so.12",
  ]);
  assert.ok(!older.some((file) => file.endsWith(".13")));
  // NVRTC finds its built-in functions where they are loaded first.
  assert.equal(companionsOf(found[6]), [
    at("debian/lib/python3/dist-packages/nvidia/cu13/lib/libnvrtc-builtins.so.13.0"),
  ]);
  assert.equal(companionsOf("libnvrtc.so.13"), []);
  assert.is(foundBelow(at("venv"), [13, 12]).major, 13);
  assert.is(foundBelow(at("user"), [13, 12]).nvrtc, found[4]);
});

test("wheels by version; cuBLASLt's own way to count; other systems", () => {
  assert.equal(requirements(12, true), ["nvidia-cuda-nvrtc-cu12>=12,<13", "nvidia-cublas-cu12>=12,<13"]);
  assert.equal(requirements(13, false), ["nvidia-cuda-nvrtc>=13,<14"]);
  assert.equal([productsVersion(130101), productsVersion(120304)], ["13.1.1", "12.3.4"]);
  assert.match(unsupported("win32", "x64")!, /on Windows install NVIDIA's CUDA toolkit/);
  assert.match(unsupported("darwin", "arm64")!, /this is darwin on arm64$/);
});

const standIns = await buildStandIns();
(standIns ? test : test.skip)("the command: checked for real on the stand-ins, and its options", async () => {
  const { folder } = standIns!;
  const env = { DITLAB_HOME: await temporaryFolder(), DITLAB_CUDA_PATH: folder };
  const setup = (...args: string[]) => ditlab(["setup", "cuda", ...args], env);
  const first = await setup();
  assert.is(first.code, 0, first.stderr);
  // Those that are there are taken as they are.
  assert.match(
    first.stdout,
    /^device 'cuda' is set up: NVRTC 13\.0, cuBLASLt 13\.\d\.\d, with a right product on CPU in place of a GPU$/m,
  );
  assert.match((await setup("--from", folder)).stdout, /^device 'cuda' was set up before, and works: NVRTC/);
  const newer = await ditlab(["setup", "cuda", "--major", "13"], { ...env, DITLAB_STANDIN_VERSION: "12040" });
  assert.match(
    newer.stderr,
    /--major 13 was given, and NVIDIA's driver is for CUDA 12\.4; expected --major 12/,
  );
  assert.is((await setup("--remove")).stdout, "device 'cuda' was removed\n");
  assert.is((await setup("--remove")).stdout, "device 'cuda' is not set up\n");
  for (const [args, message] of [
    [["--remove", "--no-products"], /expected no option beside it/],
    [["--major", "11"], /expected 13 or 12/],
  ] as const) {
    const { code, stderr } = await setup(...args);
    assert.is(code, 2);
    assert.match(stderr, message);
  }
  // A file that is something else is named.
  const wrong = await temporaryFolder();
  await writeFiles(wrong, { "libnvrtc.so.13": "no library" });
  const { code, stderr } = await setup("--from", wrong);
  assert.is(code, 1);
  assert.match(stderr, /libnvrtc\.so\.13 cannot be loaded: /);
});

test.run();
