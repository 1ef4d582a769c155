/**
 * A process of its own, as stand-ins have the names of NVIDIA's libraries: NVIDIA's own compiler on the kernels of training steps, where it is (it needs no GPU): all compile for cards of four
 * generations, and what they compute stays in registers.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cudaCard, planStep, stepConfig } from "../../../bench/planned-step.ts";
import type { KernelBuilder } from "../../../lib/jit/plan/builder.ts";
import type { StorageFormat } from "../../../lib/jit/plan/precision.ts";
import { type Compiler, openCompiler } from "../../../lib/jit/targets/cuda/nvrtc.ts";

/** A folder of NVIDIA's wheels. */
const { DITLAB_TEST_NVRTC, DITLAB_CUDA_PATH } = process.env;
const NEWEST_DRIVER = 13_000;

function compilerHere(): Compiler | undefined {
  process.env.DITLAB_CUDA_PATH = DITLAB_TEST_NVRTC ?? DITLAB_CUDA_PATH ?? "";
  try {
    return openCompiler(NEWEST_DRIVER);
  } catch {
    return undefined;
  }
}
const compiler = compilerHere();

/** The kernels of a step that differ, by their text. */
async function kernelsOf(
  name: Parameters<typeof stepConfig>[0],
  storage: StorageFormat,
  hasLibrary: boolean,
): Promise<Map<string, KernelBuilder>> {
  const { device, options } = cudaCard(storage, hasLibrary);
  const { plan } = await planStep(stepConfig(name, "sra", 32), options, { device });
  return new Map(plan.kernels.flatMap((kernel) => (kernel.call ? [] : [[kernel.text(), kernel]])));
}

/** Registers of each thread, and bytes that it keeps in memory for lack of more. */
async function compiled(text: string, architecture: string): Promise<{ registers: number; spilled: number }> {
  const { code, log } = await compiler!.compile(text, architecture);
  assert.ok(code.length > 500, `${code.length} bytes`);
  const [, registers] = /Used (\d+) registers/.exec(log)!;
  const [, spilled] = /(\d+) bytes spill stores/.exec(log)!;
  return { registers: Number(registers), spilled: Number(spilled) };
}

/** What a step spends its time in. Products of patches' 16 numbers a row are little of it. */
const isHot = ({ node, label }: KernelBuilder): boolean =>
  !/MatMul/.test(label) || Math.min(...node!.inputs.flatMap(({ shape }) => shape)) > 16;

// Asked whether the compiler is there.
if (process.argv[2] === "probe") process.exit(compiler ? 0 : 1);

test("all kernels of S/2, B/2 and XL/2 compile for four generations of cards, and spill nothing", async () => {
  const kernels = new Map<string, KernelBuilder>();
  for (const name of ["SiT-S/2", "SiT-B/2", "SiT-XL/2"] as const)
    for (const [text, kernel] of await kernelsOf(name, "bfloat16", true)) kernels.set(text, kernel);
  // Texts have no shapes, but for the size of heads.
  assert.ok(kernels.size > 40 && kernels.size < 110, `${kernels.size} texts`);
  const spilling: string[] = [];
  for (const architecture of ["sm_80", "sm_90", "sm_120"])
    await Promise.all(
      [...kernels].map(async ([text, kernel]) => {
        const { spilled } = await compiled(text, architecture);
        if (spilled > 0 && isHot(kernel)) spilling.push(`${kernel.label}, ${architecture}: ${spilled} bytes`);
      }),
    );
  assert.equal(spilling, []);
  // What an older card has no tensor cores for is not written for it.
  const plain = await kernelsOf("SiT-S/2", "float32", false);
  for (const text of plain.keys()) await compiled(text, "sm_75");
});

test("attention of every size that has kernels of its own compiles, and spills nothing", async () => {
  const { attentionText } = await import("../../../lib/jit/targets/cuda/attention-text.ts");
  const { HALVES_TOOLS } = await import("../../../lib/jit/targets/cuda/prelude.ts");
  const rows = (names: readonly string[]): string[] =>
    names.map((name) => `const Rows ${name} = {b0 + head * 64u, s0, s1};`);
  const places = (names: readonly string[]): string[] =>
    names.flatMap((name) => [`u16 *${name} = b1;`, `const u32 ${name}_stride = s0;`]);
  const floats = (names: readonly string[]): string[] => names.map((name) => `f32 *${name} = b2 + batch;`);
  const DECLARATIONS = {
    forward: [...rows(["q", "k", "v"]), ...places(["out"]), ...floats(["log_sums"])],
    queries: [...rows(["dy", "q", "k", "v", "out"]), ...places(["dq"]), ...floats(["log_sums", "row_sums"])],
    keys: [...rows(["dy", "q", "k", "v"]), ...places(["dk", "dv"]), ...floats(["log_sums", "row_sums"])],
  } as const;
  const signature = "kernel(u16 *b0, u16 *b1, f32 *b2, const u32 s0, const u32 s1)";
  const spilling: string[] = [];
  await Promise.all(
    ([32, 64, 72, 96, 128] as const).flatMap((size) =>
      (["forward", "queries", "keys"] as const).map(async (part) => {
        const text = attentionText(part, size, "bfloat16", signature, DECLARATIONS[part]);
        const { spilled, registers } = await compiled(`${HALVES_TOOLS}${text}`, "sm_90");
        if (spilled > 0) spilling.push(`${part} of ${size}: ${spilled} bytes, ${registers} registers`);
      }),
    ),
  );
  assert.equal(spilling, []);
});

test.run();
