/**
 * Compiled functions on CUDA, where a processor plays the GPU: the driver's, the compiler's and the products' libraries are
 * stand-ins, and the kernels' own text runs thread by thread. Each test has a process of its own.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { METHOD_NAMES } from "../../lib/align/index.ts";
import { FORMS, matrixForms } from "../../lib/jit/plan/forms.ts";
import { buildStandIns, type Report } from "./cuda/standin/build.ts";
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

const standIns = await buildStandIns();
const environment: NodeJS.ProcessEnv = {
  DITLAB_TEST_TARGET: "cuda",
  DITLAB_CUDA_PATH: standIns?.folder,
};
/** Runs a script, and gives what it prints and what the stand-in driver saw. */
async function run<T>(
  script: string,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<{ results: T[]; seen: Report }> {
  const lines = await linesOf<T | { seen: Report }>({ ...environment, ...env }, script, ...args);
  const { seen } = lines.pop() as { seen: Report };
  assert.equal(seen.faults, [], script);
  return { results: lines as T[], seen };
}

/** Looks at each access to memory, for races and for places that are nobody's. */
const CHECKED = { DITLAB_EMULATE_CHECK: "1" };

const maybe = (name: string, body: () => Promise<void>): void =>
  standIns ? test(name, body) : test.skip(`${name} (g++ for x86-64 Linux is not there)`, body);

maybe("every kernel has the numbers of eager tfjs, and no thread meets another one's memory", async () => {
  const { results, seen } = await run<Outcome>("kernels-child.ts", [], CHECKED);
  assertNoErrors(results);
  assert.equal(results.map(({ name }) => name).sort(), Object.keys(allKernels).sort());
  assert.ok(seen.launches > 300 && seen.products > 10, JSON.stringify(seen));
});

maybe("loops, donated arguments and random programs have the processor's numbers", async () => {
  // Each has kernels of its own, which take the time.
  const { results } = await run<Outcome>("programs-child.ts", [], { DITLAB_GPU_PROGRAMS: "15" });
  assertNoErrors(results);
  assert.is(results.length, 10);
});

maybe("attention and its gradients, whatever the heads' size", async () => {
  const { results } = await run<{ name: string; worst: number }>("attention-child.ts", [], CHECKED);
  assert.is(results.length, 13);
  for (const { name, worst } of results) assert.ok(worst < 1e-5, `${name}: ${worst}`);
});

maybe("attention in the tensor cores, whatever the heads' size", async () => {
  const { results, seen } = await run<{ name: string; errors?: Record<string, number>; own?: number }>(
    "attention-halves-child.ts",
    [],
    CHECKED,
  );
  const { own } = results.pop()!;
  // Forwards with and without what gradients need, and two kernels of gradients, for each of six sizes in two formats.
  assert.is(own, 48);
  assert.is(results.length, 12);
  // A bfloat16 has 8 bits, a float16 11.
  for (const { name, errors } of results)
    for (const [what, error] of Object.entries(errors!))
      assert.ok(error < (name.startsWith("bfloat16") ? 1.2e-2 : 1.5e-3), `${name}, ${what}: ${error}`);
  const [{ phases, conflicts }] = Object.values(seen.matrices);
  assert.ok(phases > 100_000 && conflicts === 0, JSON.stringify(seen.matrices));
});

maybe(
  "products of odd sizes without cuBLASLt, in every form, those of tensor cores among them, and with it in tf32",
  async () => {
    interface Product {
      name: string;
      worst: number;
      rounds: boolean;
    }
    const { results, seen } = await run<Product>("products-child.ts", [], CHECKED);
    const shape = { format: "bfloat16", M: 16, N: 16, K: 16, threads: 32 } as const;
    assert.is(results.length, 3 * (FORMS.length + 2 * matrixForms(shape).length) + 2);
    const rounded = results.at(-1)!;
    assert.ok(rounded.rounds && rounded.worst > 1e-5, `tf32: ${rounded.worst}`);
    // A bfloat16 has 8 bits.
    for (const { name, worst, rounds } of results)
      assert.ok(worst < (rounds ? 8e-3 : 1e-5), `${name}: ${worst}`);
    const [{ phases, conflicts }] = Object.values(seen.matrices);
    assert.ok(phases > 100, JSON.stringify(seen.matrices));
    assert.is(conflicts, 0, "no bank of a block's memory is met twice");
  },
);

maybe("sums and products that are made in parts", async () => {
  const { results } = await run<{ name: string; worst: number; partial: boolean }>("parts-child.ts");
  assert.is(results.length, 10);
  for (const { name, worst, partial } of results) {
    assert.ok(worst < 5e-6, `${name}: ${worst}`);
    // A library's products are not.
    assert.ok(partial || name.startsWith("products"), `${name} is not in parts`);
  }
});

for (const [what, args] of [
  ["with what cuBLASLt does behind products", []],
  ["where it has no algorithm for that", ["plain"]],
] as const)
  maybe(`training goes on alike in bfloat16 and float16, ${what}`, async () => {
    const { results, seen } = await run<StorageReport>("storage-child.ts", args, CHECKED);
    assert.equal(
      results.map(({ used, products }) => [used, products]),
      [
        ["bfloat16", "bfloat16"],
        ["float16", "float16"],
      ],
    );
    for (const report of results) assertGoesOnAlike(report);
    assert.ok(seen.products > 300, `${seen.products} products`);
  });

maybe("a card that has no products of bfloat16 takes kernels of ours for them", async () => {
  const old = { DITLAB_STANDIN_ARCH: "75" };
  const { results, seen } = await run<StorageReport>("storage-child.ts", [], old);
  for (const report of results) {
    assert.is(report.products, "float32", report.format);
    assertGoesOnAlike(report);
  }
  // What is computed in float32 beside it, for comparison, is the library's.
  assert.ok(seen.products > 0 && Object.keys(seen.matrices).length === 0, JSON.stringify(seen));
});

maybe("the library's fixtures hold, networks, losses, methods, samplers, VAE and training", async () => {
  const { code, text } = await runLibrary(environment);
  assert.is(code, 0, text.slice(-6000));
  assert.ok(Number(/Passed: +(\d+)/.exec(text)?.[1]) > 180, text.slice(-300));
});

maybe("every method that has a name trains as SiT and as DiT, as by onnxruntime", async () => {
  const { results } = await run<MethodReport>("methods-child.ts");
  // Five need times of their own for tokens, times from 0 to 1, or velocities: they are for paths alone.
  assert.is(results.length, 2 * METHOD_NAMES.length - 5);
  for (const report of results) assertAlike(report, report.name, 1e-6);
});

maybe("the FID network's features are those of onnxruntime", async () => {
  const { results } = await run<Record<string, number>>("inception-child.ts");
  const [errors] = results;
  assert.equal(Object.keys(errors), ["pool", "logits", "spatial"]);
  for (const [name, error] of Object.entries(errors)) assert.ok(error < 1e-5, `${name}: ${error}`);
});

maybe(
  "training steps end where onnxruntime's do, in place, as one graph, and no thread meets another",
  async () => {
    const { results, seen } = await run<StepReport>("step-child.ts", ["sra", "4"], CHECKED);
    const [report] = results;
    assertAlike(report, "sra", 1e-7);
    assert.is(new Set(report.tensors.slice(1)).size, 1, `tensors after each step: ${report.tensors}`);
    assert.ok(report.inPlace > 0 && report.overwritten === 3 * report.inPlace, JSON.stringify(report));
    // The first step runs kernel by kernel, all others as one graph.
    assert.equal([seen.captures, seen.graphLaunches], [1, 3], JSON.stringify(seen));
    assert.is(seen.queued, 0);
  },
);

maybe("a sampler's loop is a graph from its second step on, with the processor's images", async () => {
  const { results, seen } = await run<{ worst: number; scale: number }>("sampler-child.ts");
  const [{ worst, scale }] = results;
  assert.ok(worst < 2e-6 && scale > 1, `${worst} of ${scale}`);
  // Nine times are eight steps; what else there is computes the noise.
  assert.ok(seen.captures > 0 && seen.graphLaunches >= 6, JSON.stringify(seen));
});

interface TunerReport {
  known: [size: string, choice: unknown][];
  kernels: number;
  worst: number;
  leaked: number;
}
for (const by of ["kernels of ours", "library"])
  maybe(`a large product is timed once, by ${by}, and what was the fastest is kept on disk`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "ditlab-tuner-"));
    const filesOf = (end: string): string[] => readdirSync(folder).filter((name) => name.endsWith(end));
    const tune = async (): Promise<TunerReport & { products: number }> => {
      const { results, seen } = await run<TunerReport>("tuner-child.ts", [folder, by]);
      assert.ok(results[0].worst < 1e-5, `${results[0].worst}`);
      assert.is(results[0].leaked, 0);
      return { ...results[0], products: seen.products };
    };
    try {
      const first = await tune();
      const [file] = filesOf(by === "library" ? ".algorithms" : ".products");
      const written = readFileSync(join(folder, file), "utf8");
      assert.is(Object.keys(JSON.parse(written)).length, 1);
      // What a library computes is not timed in forms of ours.
      assert.is(first.known.length, by === "library" ? 0 : 1);
      const second = await tune();
      assert.is(readFileSync(join(folder, file), "utf8"), written);
      if (by === "library") assert.ok(first.products > second.products, `${first.products} products`);
      else assert.ok(second.kernels < first.kernels, `${second.kernels} kernels`);
      // What is damaged is measured again; so is machine code.
      assert.is(filesOf(".cubin").length > 0, by !== "library");
      for (const name of readdirSync(folder)) writeFileSync(join(folder, name), "{");
      assert.is((await tune()).products, first.products);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

test.run();
