/** The device `cuda`, on the stand-ins for NVIDIA's libraries: eager tensors, what it finds and lacks, what `auto` takes. */
import { readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { againstGPU, choiceAmong } from "../../../lib/devices/automatic.ts";
import { hintOf } from "../../../lib/devices/cuda/open.ts";
import {
  type CudaSight,
  mayHaveCuda,
  missingDevice,
  missingDriver,
} from "../../../lib/devices/cuda/sight.ts";
import type { DevicesReport } from "../../../lib/devices/findings.ts";
import { CudaError } from "../../../lib/jit/targets/cuda/driver.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { buildStandIns } from "../../jit/cuda/standin/build.ts";
import { linesOf, NO_DRIVER, run } from "../helpers.ts";

const standIns = await buildStandIns();
const folder = standIns?.folder ?? "";
/** On the stand-ins, and no other GPU. */
const onStandIns = async (env: Record<string, string> = {}): Promise<Record<string, string>> => ({
  ...NO_DRIVER,
  DITLAB_CUDA_PATH: folder,
  DITLAB_HOME: await temporaryFolder(),
  DITLAB_JIT_CACHE: "0",
  ...env,
});
const maybe = (name: string, body: () => Promise<void>): void =>
  standIns ? void test(name, body) : void test.skip(`${name} (g++ for x86-64 Linux is not there)`, body);

async function outcome<T>(what: string, env: Record<string, string> = {}): Promise<T> {
  const [line] = await linesOf<T>("cuda/device-child.ts", [what], await onStandIns(env));
  return line;
}

maybe(
  "compiled functions run on it, and eager operations and numbers at once on what they return",
  async () => {
    assert.equal(await outcome("eager"), {
      name: "cuda",
      backend: "cpu",
      read: [2, 4],
      eager: [3, 5],
      back: [6, 10],
      text: "Tensor\n    [false, true]",
      bools: [0, 1],
      whole: [2, 4],
    });
  },
);

maybe(
  "a device that is lost says so in one sentence each time, and the next call opens it anew",
  async () => {
    const { call, sync, eager, again } = await outcome<Record<string, string>>("lost", {
      DITLAB_STANDIN_FAIL: "after 5 launches",
    });
    assert.match(call, /^[^\n]* is gone: the GPU it lay on \(.*\) was lost: [^\n]*\(719\)$/);
    for (const message of [sync, eager])
      assert.match(message, /^the tensor is gone: the GPU it lay on \(.*\) was lost: [^\n]*\(719\)$/);
    assert.equal(again, [6]);
  },
);

maybe("memory that is short is named in one sentence, and what there was can be used", async () => {
  const { messages, sum, grown } = await outcome<{ messages: string[]; sum: number; grown: number }>(
    "memory",
    {
      DITLAB_STANDIN_MEMORY: String(64 << 20),
    },
  );
  for (const message of messages)
    assert.match(
      message,
      /^jit: the GPU has no memory for an array of 134\.2 MB: [\d.]+ MB of 67\.1 MB are free, and this process's tensors have [\d.]+ MB; dispose some, or take smaller batches$/,
    );
  assert.is(sum, 4 << 20);
  // The inputs of the programs keep a place, and three failures take no more than one.
  assert.ok(grown <= 8 << 20, `${grown} bytes more`);
});

maybe("300 donating steps leave nothing behind: bytes, events, graphs, modules", async () => {
  const { seen, faults } = await outcome<{ seen: { events: number }[]; faults: string[] }>("steps");
  assert.equal(faults, []);
  assert.is(seen.length, 4);
  for (const later of seen) {
    // That of the last step may not have been reached yet.
    assert.ok(later.events <= 1, `${later.events} events`);
    assert.equal({ ...later, events: 0 }, { ...seen[0], events: 0 });
  }
});

maybe("ditlab devices tries it, knows that a processor plays it, and auto leaves it", async () => {
  const { code, stdout, stderr } = await run("ditlab", ["devices", "--json"], await onStandIns());
  assert.is(code, 0, stderr);
  const report: DevicesReport = JSON.parse(stdout);
  const { works, hardware, runtime, compiled, eager, problem } = report.devices.find(
    ({ device }) => device === "cuda",
  )!;
  assert.is(problem, undefined);
  assert.is(works, true);
  assert.equal(hardware, {
    name: "CPU in place of a GPU",
    isSoftware: true,
    driver: "CUDA 13.0",
    memory: 2 ** 32,
    features: ["sm_90", "matrices-bf16-16x16x16", "matrices-f16-16x16x16"],
  });
  assert.match(runtime!, /^NVRTC 13\.0, cuBLASLt 13\.\d+\.\d+$/);
  assert.ok(compiled!.gflops! > 0);
  assert.is(eager, undefined);
  assert.is(report.auto, "cpu");
  assert.match(report.reason!, /played by the processor; it is taken when asked for by name, 'cuda'/);
});

maybe("what is missing is named, with the one command that brings it", async () => {
  const messageOf = async (env: Record<string, string>): Promise<string> => {
    const [{ error }] = await linesOf<{ error: string }>(
      "use-device-child.ts",
      ["cuda"],
      await onStandIns(env),
    );
    return error;
  };
  const parts = await temporaryFolder();
  await symlink(join(folder, "libcuda.so.1"), join(parts, "libcuda.so.1"));
  assert.is(
    await messageOf({ DITLAB_CUDA_PATH: parts }),
    "device 'cuda' cannot be used: it needs NVIDIA's compiler (libnvrtc), which is neither with the loader nor in a toolkit or Python: npx ditlab setup cuda",
  );
  assert.match(
    await messageOf({ DITLAB_STANDIN_VERSION: "11080" }),
    /: NVIDIA's driver is for CUDA 11\.8, expected 12\.0 or newer: sudo apt install nvidia-driver \(525 or newer\)$/,
  );
  assert.match(
    await messageOf({ DITLAB_STANDIN_ARCH: "61" }),
    /has compute capability 6\.1, and kernels are written for 7\.5 and newer: take 'webgpu': npm install /,
  );
  assert.match(
    await messageOf({ DITLAB_STANDIN_INIT: "803" }),
    /: the driver's library and its kernel module are of two versions: reboot$/,
  );
  // Products need not be there.
  for (const name of await readdir(folder))
    if (name !== "libcuda.so.1" && !name.startsWith("libcublasLt"))
      await symlink(join(folder, name), join(parts, name));
  const env = await onStandIns({ DITLAB_CUDA_PATH: parts, CUDA_HOME: "", VIRTUAL_ENV: "" });
  const { stdout } = await run("ditlab", ["devices", "--json"], env);
  const report: DevicesReport = JSON.parse(stdout);
  const { works, runtime, problem, fix } = report.devices.find(({ device }) => device === "cuda")!;
  assert.equal(
    [works, runtime, problem, fix],
    [
      true,
      "NVRTC 13.0",
      "it works, but products are slower than they could be, as libcublasLt is missing",
      "npx ditlab setup cuda",
    ],
  );
});

maybe("auto takes it where its trial has passed and it is the faster", async () => {
  const env = { DITLAB_STANDIN_NAME: "NVIDIA Stand-in" };
  assert.equal(await outcome("auto", { ...env, GFLOPS: "500" }), { took: "cuda" });
  assert.equal(await outcome("auto", { ...env, GFLOPS: "50" }), { took: "cpu" });
});

test("of two GPUs the first that nothing speaks against is taken, and what does is said", () => {
  const hardware = { name: "nvidia h200", isSoftware: false, driver: "CUDA 13.0", memory: 1.5e11 };
  const cpu = { compiled: { gflops: 900 } };
  const fast = { hardware, compiled: { gflops: 20_000 } };
  const missing = { error: "it needs NVIDIA's compiler", fix: "npx ditlab setup cuda" };
  const both = (cuda: object, webgpu: object) =>
    choiceAmong(
      [
        { device: "cuda", trial: cuda },
        { device: "webgpu", trial: webgpu },
      ],
      cpu,
    );
  assert.equal(both(fast, fast), { device: "cuda" });
  const reason = "cuda does not work here: it needs NVIDIA's compiler: npx ditlab setup cuda";
  assert.equal(both(missing, fast), { device: "webgpu", reason });
  assert.equal(choiceAmong([{ device: "cuda", trial: missing }], cpu), { device: "cpu", reason });
  assert.match(
    againstGPU({ ...fast, hardware: { ...hardware, isSoftware: true } }, cpu, "cuda")!,
    /name, 'cuda'$/,
  );
  assert.equal(choiceAmong([], cpu), { device: "cpu" });
});

test("what stands between CUDA and a GPU comes with the step that helps", () => {
  const machine: CudaSight = {
    platform: "linux",
    vendors: ["0x10de"],
    hasNvidia: true,
    inContainer: false,
    hasDriver: true,
    node: "usable",
    isWsl: false,
  };
  assert.is(missingDriver(machine), undefined);
  const driver = (sight: Partial<CudaSight>) => missingDriver({ ...machine, hasDriver: false, ...sight })!;
  assert.is(driver({ hasNvidia: false }).fix, "sudo apt install nvidia-driver");
  assert.is(driver({}).fix, "sudo apt install libcuda1");
  assert.is(driver({ inContainer: true }).fix, "start the container with --gpus all");
  assert.is(driver({ hasNvidia: false, vendors: [] }).problem, "there is no GPU of NVIDIA's in sight");
  assert.match(driver({ platform: "darwin" }).problem, /macOS/);
  assert.match(driver({ isWsl: true }).fix, /in Windows itself$/);
  const device = (sight: Partial<CudaSight>) => missingDevice({ ...machine, ...sight });
  assert.equal(device({ node: "missing", inContainer: true }), {
    problem: "the driver's library is here, but this container has no device node (/dev/nvidiactl)",
    fix: "start the container with --gpus all",
  });
  assert.is(device({ node: "missing", hasNvidia: false }).fix, "sudo modprobe nvidia");
  assert.match(device({ node: "closed" }).fix, /^sudo usermod -aG video,render/);
  assert.match(device({ visible: "7" }).problem, /^CUDA_VISIBLE_DEVICES is '7', which shows CUDA no GPU$/);
  assert.match(device({}).fix, /^nvidia-smi/);
  assert.match(
    hintOf(new CudaError("busy", 46), machine)!.problem,
    /^the GPU is busy: another process has it/,
  );
  assert.is(hintOf(new Error("something else"), machine), undefined);
});

test("a machine without NVIDIA's driver is known to be one without loading anything", () => {
  if (mayHaveCuda()) return;
  const start = performance.now();
  for (let i = 0; i < 100; i++) mayHaveCuda();
  // A hundred times: one is far below a millisecond.
  assert.ok(performance.now() - start < 500);
});

test.run();
