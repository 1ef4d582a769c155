/**
 * Seconds of one compiled training step of each demo scale, without and with SRA, in alternation.
 * Run on a quiet machine: npm run bench [-- <steps>]
 */

import { loadDataset } from "../lib/data/index.ts";
import { armConfig, SCALES } from "../lib/experiments/presets.ts";
import { initSiT } from "../lib/models/index.ts";
import { randomGenerator, tf } from "../lib/tensor/index.ts";
import { batchSource, compileStep, initTrainState } from "../lib/train/index.ts";

const counted = Number(process.argv[2] ?? 20);
const WARM_UP = 3;
const ARMS = ["baseline", "sra"] as const;
const dataset = await loadDataset("mnist");

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

console.log(
  "| scale | arm | ms per step (median) | nodes | trace s | compile s |\n| --- | --- | --- | --- | --- | --- |",
);
for (const [name, scale] of Object.entries(SCALES)) {
  const arms = ARMS.map((arm) => {
    const config = armConfig(scale, dataset, arm, 0);
    const random = randomGenerator(0);
    const batch = batchSource(dataset.train, config)(0, random);
    const scalars = { learningRate: tf.scalar(1e-3), alignWeight: tf.scalar(0.2), emaDecay: tf.scalar(0.99) };
    return {
      arm,
      step: compileStep(config),
      state: initTrainState(initSiT(config.model, random)),
      batch,
      scalars,
      ms: [] as number[],
    };
  });
  for (let i = 0; i < WARM_UP + counted; i++) {
    for (const run of arms) {
      const start = performance.now();
      run.state = (await run.step(run.state, run.batch, run.scalars)).state;
      if (i >= WARM_UP) run.ms.push(performance.now() - start);
    }
  }
  for (const { arm, ms, step } of arms) {
    const [{ nodes, traceSeconds, compileSeconds }] = step.stats.traces;
    console.log(
      `| ${name} | ${arm} | ${median(ms).toFixed(1)} | ${nodes} | ${traceSeconds.toFixed(2)} | ${compileSeconds.toFixed(2)} |`,
    );
  }
}
