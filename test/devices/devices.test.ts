/** What `devices` and `ditlab devices` find. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { againstGPU } from "../../lib/devices/automatic.ts";
import { devicesHtml, devicesText } from "../../lib/devices/devices-view.ts";
import type { DevicesReport } from "../../lib/devices/findings.ts";
import { gpuHint, type Sight } from "../../lib/devices/gpu-hint.ts";
import { DEVICES } from "../../lib/devices/index.ts";
import { trialOf } from "../../lib/devices/trials.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { drivers, hasPackages, NO_DRIVER, run } from "./helpers.ts";

async function found(env: Record<string, string>): Promise<DevicesReport> {
  const { code, stdout, stderr } = await run("ditlab", ["devices", "--json"], env);
  assert.is(code, 0, stderr);
  return JSON.parse(stdout);
}
const deviceOf = (report: DevicesReport, name: string) =>
  report.devices.find(({ device }) => device === name)!;

test("every device is listed; the processor's works and says what it is", async () => {
  const report = await found({ ...NO_DRIVER, DITLAB_HOME: await temporaryFolder() });
  assert.equal(
    report.devices.map(({ device }) => device),
    [...DEVICES],
  );
  assert.is(report.auto, "cpu");
  const { works, hardware, runtime, compiled, eager, problem } = deviceOf(report, "cpu");
  assert.is(works, true);
  assert.is(problem, undefined);
  assert.ok(hardware!.name.length > 0 && hardware!.threads! >= 1 && hardware!.memory > 1e8);
  assert.is(hardware!.isSoftware, false);
  assert.match(runtime ?? "", /^onnxruntime \d+\.\d+/);
  assert.ok(compiled!.gflops! > 0 && eager!.gflops! > 0);
  for (const { device, works, problem, fix } of report.devices)
    if (!works) assert.ok(problem && fix, `${device}: ${problem}: ${fix}`);
  const gpu = deviceOf(report, "webgpu");
  assert.is(gpu.works, false);
  if (!hasPackages) assert.match(gpu.fix!, /^npm install /);
});

for (const { name, env, missing } of drivers) {
  if (missing) {
    test.skip(`${name}: ditlab devices (${missing} is not installed)`, () => {});
    continue;
  }
  test(`${name}: the GPU works, and is known to be played by a processor`, async () => {
    const DITLAB_HOME = await temporaryFolder();
    const report = await found({ ...env, DITLAB_HOME });
    const { works, hardware, compiled, eager, problem } = deviceOf(report, "webgpu");
    assert.is(problem, undefined);
    assert.is(works, true);
    assert.is(hardware!.isSoftware, true);
    assert.match(hardware!.name, name === "lavapipe" ? /llvmpipe/ : /swiftshader/);
    assert.ok(hardware!.driver && hardware!.memory > 1e8);
    assert.ok(hardware!.features!.includes("subgroups"));
    assert.ok(compiled!.gflops! > 0 && eager!.gflops! > 0);
    assert.is(report.auto, "cpu");
    assert.match(report.reason ?? "", /played by the processor/);
    // What was found is remembered for processes that do not name a device.
    const files = await readdir(join(DITLAB_HOME, "devices"));
    assert.equal(files.map((file) => file.split("-")[0]).sort(), ["cpu", "webgpu"]);
  });
}

test("a trial that crashes, hangs or finds nothing ends as a finding", async () => {
  const late = await trialOf("cpu", { timeout: 0.01 });
  assert.is(late.error, "it had not answered after 0.01 s");
  const before = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `--import data:text/javascript,${encodeURIComponent("process.kill(process.pid,'SIGSEGV')")}`;
  try {
    assert.is((await trialOf("cpu")).error, "the process that tried it ended with SIGSEGV: it said nothing");
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
});

const HARDWARE = { name: "nvidia h200", isSoftware: false, driver: "NVIDIA: 580.159.04", memory: 4294967295 };

test("the GPU is taken where it is one, works, and is faster", () => {
  const cpu = { compiled: { gflops: 900 }, eager: { gflops: 1 } };
  const gpu = { hardware: HARDWARE, compiled: { gflops: 20_000 }, eager: { gflops: 9000 } };
  assert.is(againstGPU(gpu, cpu), undefined);
  assert.match(againstGPU({ ...gpu, hardware: { ...HARDWARE, isSoftware: true } }, cpu)!, /played by/);
  assert.match(againstGPU({ ...gpu, eager: { error: "wrong" } }, cpu)!, /does not work here: wrong/);
  assert.match(againstGPU({ ...gpu, error: "it crashed" }, cpu)!, /does not work here: it crashed/);
  assert.match(againstGPU({ ...gpu, compiled: { gflops: 400 } }, cpu)!, /400 GFLOP\/s, the processor at 900/);
});

test("the text keeps within 100 columns and marks what auto takes; the HTML is escaped", () => {
  const report: Omit<DevicesReport, "toString" | "toHtml"> = {
    auto: "webgpu",
    devices: [
      {
        device: "cpu",
        works: true,
        hardware: { name: "A processor <of> some name", isSoftware: false, threads: 64, memory: 2.5e11 },
        runtime: "onnxruntime 1.28.2",
        compiled: { gflops: 1234.5 },
        eager: { gflops: 0.437 },
      },
      { device: "wasm", works: true, hardware: { ...HARDWARE, threads: 4 }, eager: { gflops: 22 } },
      {
        device: "tensorflow",
        works: false,
        problem: "it is missing ".repeat(12).trim(),
        fix: "npm install it",
      },
      {
        device: "webgpu",
        works: true,
        hardware: { ...HARDWARE, features: ["shader-f16", "subgroups", "timestamp-query"] },
        compiled: { gflops: 21_456 },
        eager: { error: "x" },
      },
    ],
  };
  const lines = devicesText(report).split("\n");
  assert.ok(Math.max(...lines.map((line) => line.length)) <= 100);
  assert.equal(lines.slice(0, 5), [
    "  device       compiled      eager",
    "  cpu          1.2 TFLOP/s   0.44 GFLOP/s",
    "  wasm         as cpu        22 GFLOP/s",
    "  tensorflow   -             -",
    "* webgpu       21 TFLOP/s    fails",
  ]);
  assert.is(lines.at(-1), "* what useDevice() and --device auto take: webgpu");
  const html = devicesHtml(report);
  assert.match(
    html,
    /A processor &lt;of&gt; some name; 64 threads; 250\.0 GB of memory; onnxruntime 1\.28\.2/,
  );
  assert.match(html, /<td[^>]*>webgpu \*<\/td>/);
});

test("what stands between WebGPU and a GPU comes with the step that helps", () => {
  const machine: Sight = {
    platform: "linux",
    vendors: [],
    hasLoader: true,
    drivers: [],
    hasNvidia: false,
    node: "usable",
    inContainer: false,
  };
  const fix = (sight: Partial<Sight>): string => gpuHint({ ...machine, ...sight }).fix;
  assert.match(fix({}), /^none for speed; .*apt install mesa-vulkan-drivers$/);
  assert.is(fix({ vendors: ["0x1002"] }), "apt install mesa-vulkan-drivers");
  assert.is(fix({ vendors: ["0x8086"], hasLoader: false }), "apt install mesa-vulkan-drivers");
  assert.is(fix({ vendors: ["0x10de"] }), "apt install nvidia-driver nvidia-vulkan-icd");
  const nvidia = { vendors: ["0x10de"], hasNvidia: true };
  assert.match(fix({ ...nvidia, hasLoader: false }), /^apt install libvulkan1/);
  assert.match(fix({ ...nvidia, inContainer: true }), /-e NVIDIA_DRIVER_CAPABILITIES=all/);
  const intel = { vendors: ["0x8086"], drivers: ["intel_icd.json"] };
  assert.match(fix({ ...intel, node: "closed" }), /usermod -aG render/);
  assert.match(fix({ ...intel, node: "missing", inContainer: true }), /--device \/dev\/dri/);
  assert.match(fix(intel), /vulkaninfo/);
  for (const platform of ["darwin", "win32"]) assert.ok(fix({ platform }).length > 0);
});

test.run();
