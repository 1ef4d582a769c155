/** Plans of training steps, made without a GPU: how many kernels, what they bind, and what lies in memory. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cudaCard, planStep } from "../../bench/planned-step.ts";
import { methodPreset } from "../../lib/align/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import type { Value } from "../../lib/jit/graph.ts";
import { makeArena } from "../../lib/jit/plan/arena.ts";
import { SOME_GPU } from "../../lib/jit/plan/forms.ts";
import { styleFor } from "../../lib/jit/plan/style.ts";
import { bytesByKernel, bytesByNode } from "../../lib/jit/plan/traffic.ts";
import { WGSL } from "../../lib/jit/targets/webgpu/wgsl.ts";
import { modelConfig } from "../../lib/models/index.ts";
import { smallConfig } from "../train/small.ts";

const style = styleFor(WGSL, SOME_GPU);
/** WebGPU's least, and what many GPUs have. */
const BUFFERS = [8, 10, 16];
const LIMITS = new Map([
  ["tiny", { 8: 235, 10: 205, 16: 175 }],
  // Among them about 175 that add up what is computed in parts.
  ["SiT-S/2", { 8: 870, 10: 820, 16: 720 }],
]);

const small = smallConfig({ batchSize: 3 });
const tiny = { ...small, model: { ...small.model, hiddenSize: 20, depth: 3, patchSize: 2 } };
const model = modelConfig("SiT-S/2");
const s2 = {
  ...small,
  model,
  methods: [methodPreset("sra", { depth: model.depth, process: SIT_PROCESS })],
};

for (const [name, config] of [
  ["tiny", tiny],
  ["SiT-S/2", s2],
] as const)
  for (const maxBuffers of BUFFERS)
    test(`a step of ${name} takes few kernels of at most ${maxBuffers} arrays`, async () => {
      const { section, plan } = await planStep(config, { style, maxBuffers });
      const limits: Record<number, number> = LIMITS.get(name)!;
      assert.ok(plan.kernels.length <= limits[maxBuffers], `${plan.kernels.length} kernels`);
      for (const { label, buffers, usesScalars } of plan.kernels)
        assert.ok(buffers.length + Number(usesScalars) <= maxBuffers, `${label} binds ${buffers.length}`);
      assert.ok(bytesByKernel(plan) < 0.65 * bytesByNode(section.live));
    });

test("in mixed precision gradients of weights, and parts of sums, keep all their digits", async () => {
  const mixed = { ...s2, precision: "bfloat16" as const };
  const { plan } = await planStep(mixed, { style, maxBuffers: 16, storage: "bfloat16" });
  const narrow = [...plan.narrow];
  // Activations and their gradients.
  assert.ok(narrow.length > 100, `${narrow.length} values in 16 bits`);
  const tokens = (s2.model.inputSize / s2.model.patchSize) ** 2;
  for (const { node, shape } of narrow) {
    assert.not(node!.op.startsWith("Partial") || node!.op === "SquareSums", node!.op);
    // What has no tokens is of parameters, or of a batch's modulations.
    assert.ok(
      shape.includes(tokens) || shape[0] % tokens === 0 || shape[0] === s2.batchSize,
      `${node!.op} [${shape}]`,
    );
  }
});

test("no attention's scores lie in memory, with or without a gradient", async () => {
  for (const config of [tiny, s2]) {
    const { plan, section } = await planStep(config, { style, maxBuffers: 8 });
    const tokens = (config.model.inputSize / config.model.patchSize) ** 2;
    const results = new Set(section.outputs.values());
    const { places: inMemory } = makeArena(plan, results, { alignment: 256, maxBlock: 2 ** 32 });
    for (const { shape } of inMemory.keys())
      assert.not(
        shape.length > 2 && shape.at(-1) === tokens && shape.at(-2) === tokens,
        `an array of [${shape}]`,
      );
  }
});

test("what is needed at the same time lies apart", async () => {
  const { plan, section } = await planStep(s2, { style, maxBuffers: 8 });
  const results = new Set(section.outputs.values());
  const { places: inMemory, blocks } = makeArena(plan, results, { alignment: 256, maxBlock: 2 ** 27 });
  const lives = new Map<Value, [first: number, last: number]>();
  plan.kernels.forEach(({ buffers }, i) => {
    for (const value of buffers) if (inMemory.has(value)) lives.set(value, [lives.get(value)?.[0] ?? i, i]);
  });
  for (const [a, [firstA, lastA]] of lives)
    for (const [b, [firstB, lastB]] of lives) {
      if (a === b || firstA > lastB || firstB > lastA) continue;
      const [x, y] = [inMemory.get(a)!, inMemory.get(b)!];
      if (x.block !== y.block) continue;
      assert.ok(x.offset + x.bytes <= y.offset || y.offset + y.bytes <= x.offset, `${a.name} and ${b.name}`);
    }
  for (const { block, offset, bytes } of inMemory.values()) assert.ok(offset + bytes <= blocks[block]);
});

test("in half the width lie activations, and neither results nor gradients of parameters nor statistics", async () => {
  const [wide, narrow] = await Promise.all(
    (["float32", "bfloat16"] as const).map((storage) => planStep(s2, { style, maxBuffers: 8, storage })),
  );
  const blocks = ({ plan, section }: typeof wide): number => {
    const results = new Set(section.outputs.values());
    return makeArena(plan, results, { alignment: 256, maxBlock: 2 ** 32 }).blocks.reduce((a, b) => a + b, 0);
  };
  assert.is(wide.plan.narrow.size, 0);
  assert.is(narrow.plan.kernels.length, wide.plan.kernels.length);
  assert.ok(blocks(narrow) < 0.75 * blocks(wide));
  const results = new Set(narrow.section.outputs.values());
  const summed = narrow.section.live.nodes.filter(({ op }) => op === "SquareSums");
  assert.ok(summed.length > 100);
  for (const { inputs } of summed) assert.not(narrow.plan.narrow.has(inputs[0]));
  for (const value of narrow.plan.narrow) {
    assert.not(results.has(value));
    assert.not(value.shape.at(-1) === 1, `a statistic [${value.shape}]`);
  }
});

test("every kernel's reads have been written before", async () => {
  const { section, plan } = await planStep(s2, { style, maxBuffers: 8 });
  const written = new Set<Value>([...section.live.inputs, ...section.live.constants]);
  for (const kernel of plan.kernels) {
    for (const value of kernel.read)
      assert.ok(written.has(value) || kernel.written.has(value), `${kernel.label} reads ${value.name}`);
    for (const value of kernel.written) written.add(value);
  }
  for (const value of section.outputs.values())
    assert.ok(plan.scalars.has(value) || plan.over.has(value) || written.has(value), value.name);
});

// Small batches make other shapes meet: what is written by others, read late, or too small to be narrow.
for (const batchSize of [1, 2, 7])
  for (const storage of ["float32", "bfloat16"] as const)
    test(`a step of ${batchSize} samples in ${storage} has a right order with a library's products`, async () => {
      const { device, options } = cudaCard(storage);
      for (const maxBuffers of [8, 32]) {
        // Checked as it is made.
        const { plan } = await planStep({ ...s2, batchSize }, { ...options, maxBuffers }, { device });
        const calls = plan.kernels.flatMap(({ call }) => (call ? [call] : []));
        assert.ok(calls.length > 200, `${calls.length} products`);
        for (const { a, b, out } of calls) {
          const isNarrow = [a, b].map((value) => plan.narrow.has(value));
          assert.equal(
            isNarrow,
            storage === "float32" ? [false, false] : [true, true],
            `${a.name}, ${b.name}`,
          );
          assert.ok(plan.stored.has(out) || !out.node, out.name);
        }
      }
    });

test("a library's products add biases, take GELU and its slope, and sum bias gradients on their way", async () => {
  const { device, options } = cudaCard("bfloat16");
  const { plan } = await planStep({ ...s2, batchSize: 32 }, options, { device });
  const count = (kind: string): number =>
    plan.kernels.filter(({ call }) => call?.epilogue?.kind === kind).length;
  const { depth } = s2.model;
  assert.is(count("gelu with argument"), depth);
  assert.is(count("gelu gradient"), depth);
  // The teacher's blocks up to the one that is looked at.
  assert.ok(count("gelu") > 0 && count("gelu") < depth);
  assert.ok(count("bias") >= 4 * depth, `${count("bias")} biases`);
  assert.ok(count("factor sums") >= 5 * depth, `${count("factor sums")} sums`);
  assert.is(plan.kernels.filter(({ label }) => /Gelu/.test(label)).length, 0);
  assert.is(plan.kernels.filter(({ source }) => source).length > 2 * depth, true, "attention of its own");
  assert.ok(plan.kernels.length < 700, `${plan.kernels.length} launches`);
});

test.run();
