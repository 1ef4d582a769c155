/** What SRA draws, what it refuses, and its presets. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { defaultBlocks, METHOD_NAMES, methodPreset, paperSRA, refitted } from "../../lib/align/index.ts";
import { DIT_PROCESS, type ProcessConfig, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { randomGenerator, tf } from "../../lib/tensor/index.ts";
import { makeTask } from "../../lib/train/index.ts";
import { lossBatch } from "../parity/dit.ts";
import { SMALL_SRA, smallConfig } from "../train/small.ts";

const methodOf = (interval: number | [number, number], process: ProcessConfig = SIT_PROCESS) =>
  makeTask({ ...smallConfig(), process, methods: [{ ...SMALL_SRA, interval }] }).methods[0];
/** Some need times that are not in steps, or a velocity. */
const OF_PATHS = ["dts-as", "self-flow", "contrastive", "self-transcendence-1", "self-transcendence"];
const draws = (count: number, ...[interval, process]: Parameters<typeof methodOf>): number[] => {
  const random = randomGenerator(4);
  const { interval: draw } = methodOf(interval, process).draws!;
  return Array.from({ length: count }, () => Number(draw(random)));
};

test("intervals are uniform in their range, or fixed; of a DiT whole steps", () => {
  const k = draws(20_000, [0.1, 0.3]);
  assert.ok(k.every((k) => k >= Math.fround(0.1) && k <= Math.fround(0.3)));
  const mean = k.reduce((sum, value) => sum + value, 0) / k.length;
  const variance = k.reduce((sum, value) => sum + (value - mean) ** 2, 0) / k.length;
  assert.ok(Math.abs(mean - 0.2) < 4 * Math.sqrt(0.2 ** 2 / 12 / k.length), `${mean}`);
  assert.ok(Math.abs(variance / (0.2 ** 2 / 12) - 1) < 0.05, `${variance}`);
  assert.ok(draws(10, 0.2).every((k) => k === Math.fround(0.2)));
  const steps = draws(2000, [0, 200], DIT_PROCESS);
  assert.ok(steps.every((k) => Number.isInteger(k) && k >= 0 && k < 200));
  assert.ok(Math.max(...steps) > 190 && Math.min(...steps) < 10);
});

test("times are not taken for steps, nor steps for times", () => {
  const fault = (...args: Parameters<typeof methodOf>) => methodOf(...args).faults.join(" ");
  assert.is(fault([0, 0.2]), "");
  assert.is(fault([0, 200], DIT_PROCESS), "");
  assert.match(
    fault([0, 200]),
    /^interval,within \[0, 1\], ascending \(times; a DiT's intervals are in steps\)$/,
  );
  assert.match(fault([0, 0.2], DIT_PROCESS), /^interval,whole steps, because/);
  for (const interval of [
    [0.3, 0.1],
    [Number.NaN, 1],
    [-1, 0],
  ] as [number, number][])
    for (const process of [SIT_PROCESS, DIT_PROCESS]) assert.match(fault(interval, process), /^interval,/);
});

test("the fixture of a DiT's losses has a teacher's step that has to be clamped", () => {
  const steps = tf.sub(lossBatch.t, lossBatch.draws![0].interval).dataSync();
  assert.ok(steps.some((step) => step < 1));
});

test("the authors' rule of blocks: a quarter and three quarters of the depth", () => {
  assert.equal([12, 24, 28, 2, 1].map(defaultBlocks), [
    [3, 9],
    [6, 18],
    [7, 21],
    [1, 2],
    [1, 1],
  ]);
  // What the paper tuned goes before.
  const { studentBlock, teacherBlock } = paperSRA({ depth: 28, process: SIT_PROCESS });
  assert.equal([studentBlock, teacherBlock], [8, 20]);
  const other = paperSRA({ depth: 16, process: SIT_PROCESS });
  assert.equal([other.studentBlock, other.teacherBlock], [4, 12]);
});

test("the release of July 2026: cosine over tokens at a constant 0.5; every preset fits networks of any depth", () => {
  assert.equal(methodPreset("sra-2026-07", { depth: 28, process: SIT_PROCESS }), {
    method: "sra",
    weight: 0.5,
    studentBlock: 8,
    teacherBlock: 20,
    interval: [0, 0.2],
    distance: "cosine",
    cosineAxis: "token",
    projectionHead: true,
  });
  const { model } = smallConfig();
  for (const depth of [2, 3, 12, 24, 28])
    for (const process of [SIT_PROCESS, DIT_PROCESS])
      for (const name of METHOD_NAMES) {
        const methods = [methodPreset(name, { depth, process })];
        const { faults } = makeTask({ model: { ...model, depth }, process, methods }).methods[0];
        const isOfPaths = OF_PATHS.includes(name) && process === DIT_PROCESS;
        // The model has fewer heads than DINOv2-B, and two blocks are too few.
        if (name === "haste-attention") continue;
        assert.equal(
          faults.map(([field]) => field),
          isOfPaths ? ["method"] : [],
          name,
        );
      }
});

test("a method for another network keeps what is not the network's", () => {
  const cosine = { ...methodPreset("sra-cosine", { depth: 12, process: SIT_PROCESS }), weight: 0.3 };
  const there = refitted(cosine, { depth: 28, process: SIT_PROCESS }, SIT_PROCESS);
  assert.equal(there, { ...cosine, studentBlock: 8, teacherBlock: 20 });
  const dit = refitted(cosine, { depth: 12, process: DIT_PROCESS }, SIT_PROCESS);
  // The cosine's weight is the same on both; that of smooth-l1 follows the scale of the generative loss.
  assert.equal(dit, { ...cosine, studentBlock: 3, teacherBlock: 7, interval: [0, 200], weight: 0.5 });
  const smooth = methodPreset("sra", { depth: 12, process: SIT_PROCESS });
  const there04 = refitted(smooth, { depth: 12, process: DIT_PROCESS }, SIT_PROCESS);
  assert.is(there04.weight, 0.04);
});

test.run();
