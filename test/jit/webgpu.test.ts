/**
 * Compiled functions on WebGPU, on the GPUs that processors play: Mesa's lavapipe and Chromium's SwiftShader. Each runs in
 * a process of its own, as a process has one driver.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { METHOD_NAMES } from "../../lib/align/index.ts";
import { FORMS } from "../../lib/jit/plan/forms.ts";
import {
  assertAlike,
  assertGoesOnAlike,
  assertNoErrors,
  linesOf,
  type MethodReport,
  type Outcome,
  runLibrary,
  type StepReport,
  type StorageReport,
} from "./gpu/child.ts";
import { allKernels } from "./kernels/index.ts";

/** A GPU of this machine, by its driver's manifest: what only hardware shows. */
const { DITLAB_TEST_VULKAN = "the one that DITLAB_TEST_VULKAN names" } = process.env;
const DRIVERS = {
  hardware: [DITLAB_TEST_VULKAN],
  lavapipe: ["/usr/share/vulkan/icd.d/lvp_icd.json", "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json"],
  swiftshader: ["/usr/lib/chromium/vk_swiftshader_icd.json"],
} as const;

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

const environmentOf = (driver: string): NodeJS.ProcessEnv => ({
  VK_ICD_FILENAMES: driver,
  VK_DRIVER_FILES: driver,
});
const run = <T>(driver: string, script: string, ...args: string[]): Promise<T[]> =>
  linesOf(environmentOf(driver), script, ...args);

interface TunerReport {
  isTimed: boolean;
  known: [size: string, choice: unknown][];
  kernels: number;
  worst: number;
  leaked: number;
}

interface LowerReport {
  plan: {
    kernels: number;
    texts: number;
    bytesMoved: number;
    bytesMovedByNodes: number;
    arena: number;
    parts: string[];
  };
  flops: number;
  profile: { seconds: number; nodes: number; flops: number; parts: string[]; products: unknown[] };
  leaked: number;
  onProcessor: boolean;
}

if (isInstalled("webgpu"))
  test("kernels for GPUs that no processor plays are valid: products by matrices of subgroups", async () => {
    const results = await run<{ form: number[]; byMatrices: number; faults: string[] }>("", "texts-child.ts");
    assert.is(results.length, 2 * (FORMS.length + 2));
    for (const { form, faults } of results) assert.equal(faults, [], `form ${form}`);
    assert.is(results.filter(({ byMatrices }) => byMatrices === 3).length, 4);
  });
else
  test.skip("kernels for GPUs that no processor plays are valid (the package webgpu is not installed)", () => {});

for (const [name, paths] of Object.entries(DRIVERS)) {
  const driver = paths.find((path) => existsSync(path));
  const missing =
    driver === undefined ? `the driver ${name}` : isInstalled("webgpu") ? undefined : "the package webgpu";
  if (missing) {
    test.skip(`${name}: compiled functions on WebGPU (${missing} is not installed)`, () => {});
    continue;
  }

  // The forms of real GPUs are long texts, which lavapipe takes minutes to compile.
  const few = name === "lavapipe" ? ["few"] : [];

  test(`${name}: every kernel has the numbers of eager tfjs`, async () => {
    const results = await run<Outcome>(driver!, "kernels-child.ts");
    assertNoErrors(results);
    assert.equal(results.map(({ name }) => name).sort(), Object.keys(allKernels).sort());
  });

  test(`${name}: loops, donated arguments and random programs have the processor's numbers`, async () => {
    const results = await run<Outcome>(driver!, "programs-child.ts");
    assertNoErrors(results);
    assert.is(results.length, 10);
  });

  test(`${name}: a function says what its kernels are, and how long each takes`, async () => {
    const [{ plan, flops, profile, leaked, onProcessor }] = await run<LowerReport>(driver!, "lower-child.ts");
    assert.ok(plan.kernels > 3 && plan.kernels < 12, `${plan.kernels} kernels`);
    assert.ok(plan.texts <= plan.kernels && plan.bytesMoved < plan.bytesMovedByNodes && plan.arena > 0);
    assert.equal(plan.parts.filter((part) => part !== "").sort(), ["layer", "layer/gradient"]);
    assert.ok(onProcessor);
    // Two products forwards, two by the weights and one by what lies between.
    assert.is(flops, 5 * 2 * 64 * 32 * 32);
    assert.is(profile.flops, flops);
    assert.is(profile.nodes, plan.kernels);
    assert.ok(profile.seconds > 0 && profile.products.length > 0);
    assert.is(leaked, 0);
  });

  test(`${name}: attention and its gradients, whatever the heads' size`, async () => {
    const results = await run<{ name: string; worst: number }>(driver!, "attention-child.ts", ...few);
    assert.is(results.length, few.length > 0 ? 2 : 13);
    for (const { name, worst } of results) assert.ok(worst < 1e-5, `${name}: ${worst}`);
  });

  test(`${name}: products of odd sizes, in every form`, async () => {
    const results = await run<{ name: string; worst: number; rounds: boolean }>(
      driver!,
      "products-child.ts",
      ...few,
    );
    assert.ok(results.length >= 3 * (few.length > 0 ? 2 : FORMS.length), `${results.length} products`);
    // Matrices have factors of 11 bits.
    for (const { name, worst, rounds } of results)
      assert.ok(worst < (rounds ? 1e-3 : 1e-5), `${name}: ${worst}`);
  });

  if (few.length === 0)
    test(`${name}: a large product is timed in several forms once, and the fastest is kept on disk`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "ditlab-tuner-"));
      const tune = async (): Promise<TunerReport> => {
        const [report] = await run<TunerReport>(driver!, "tuner-child.ts", folder);
        assert.ok(report.worst < 1e-5, `${report.worst}`);
        assert.is(report.leaked, 0);
        return report;
      };
      try {
        const first = await tune();
        if (!first.isTimed) return;
        assert.is(first.known.length, 1);
        const [file] = readdirSync(folder).filter((name) => name.endsWith(".products"));
        assert.equal(JSON.parse(readFileSync(join(folder, file), "utf8")), Object.fromEntries(first.known));
        const second = await tune();
        assert.equal(second.known, first.known);
        assert.ok(second.kernels < first.kernels, `${second.kernels} kernels, ${first.kernels} before`);
        // What is damaged, or says what no kernel can be, is measured again.
        for (const text of ["{", JSON.stringify({ [first.known[0][0]]: { form: { rows: 3 }, parts: -1 } })]) {
          writeFileSync(join(folder, file), text);
          assert.is((await tune()).known.length, 1);
          assert.ok(JSON.parse(readFileSync(join(folder, file), "utf8"))[first.known[0][0]].form.rows >= 8);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

  if (few.length === 0)
    test(`${name}: sums and products that are made in parts`, async () => {
      const results = await run<{ name: string; worst: number; partial: boolean }>(driver!, "parts-child.ts");
      assert.is(results.length, 10);
      for (const { name, worst, partial } of results) {
        assert.ok(worst < 5e-6, `${name}: ${worst}`);
        assert.ok(partial, `${name} is not in parts`);
      }
    });

  test(`${name}: training goes on alike where values between kernels have 16 bits, if the device has them`, async () => {
    const results = await run<StorageReport>(driver!, "storage-child.ts");
    assert.equal(
      results.map(({ format }) => format),
      ["bfloat16", "float16"],
    );
    for (const report of results) {
      assert.ok(report.used === report.format || report.used === "float32", report.used);
      assertGoesOnAlike(report);
    }
  });

  // SwiftShader compiles kernels in a fraction of lavapipe's time.
  if (name === "swiftshader")
    test(`${name}: the library's fixtures hold, networks, losses, methods, samplers, VAE and training`, async () => {
      const { code, text } = await runLibrary(environmentOf(driver!));
      assert.is(code, 0, text.slice(-6000));
      assert.ok(Number(/Passed: +(\d+)/.exec(text)?.[1]) > 180, text.slice(-300));
    });

  if (name === "swiftshader") {
    test(`${name}: every method that has a name trains as SiT and as DiT, as by onnxruntime`, async () => {
      const results = await run<MethodReport>(driver!, "methods-child.ts");
      // Five need times of their own for tokens, times from 0 to 1, or velocities: they are for paths alone.
      assert.is(results.length, 2 * METHOD_NAMES.length - 5);
      for (const report of results) {
        assert.is(report.metrics.length, 2 * 3, report.name);
        assertAlike(report, report.name, 1e-6);
      }
    });

    test(`${name}: the FID network's features are those of onnxruntime`, async () => {
      const [errors] = await run<Record<string, number>>(driver!, "inception-child.ts");
      assert.equal(Object.keys(errors), ["pool", "logits", "spatial"]);
      for (const [name, error] of Object.entries(errors)) assert.ok(error < 1e-5, `${name}: ${error}`);
    });
  }

  for (const method of ["none", "sra", "layersync", "dispersive"])
    test(`${name}: training steps (${method}) end where onnxruntime's do, in place`, async () => {
      const [report] = await run<StepReport>(driver!, "step-child.ts", method, "3");
      assertAlike(report, method, 1e-7);
      assert.is(new Set(report.tensors.slice(1)).size, 1, `tensors after each step: ${report.tensors}`);
      // The arrays of the first call are the caller's.
      assert.ok(report.inPlace > 0 && report.overwritten === 2 * report.inPlace, JSON.stringify(report));
    });
}

test.run();
