/** A rank of the benchmark: sums of arrays, and steps of a small training. */
import { parseArgs } from "node:util";
import { loadDataset } from "../../lib/data/index.ts";
import { joinRanks } from "../../lib/distributed/index.ts";
import { SCALES, scaleConfig } from "../../lib/experiments/index.ts";
import { makeTask, training } from "../../lib/train/index.ts";
import { median } from "../../lib/train/recorder.ts";
import { taskShapes } from "../../lib/train/task.ts";

const { values } = parseArgs({ options: { steps: { type: "string", default: "30" } } });
const ranks = joinRanks();
const size = ranks?.size ?? 1;

/** Megabytes that are summed at a time. */
const MEGABYTES = [0.004, 0.25, 4, 64];

async function sums(): Promise<Record<string, number>> {
  const rates: Record<string, number> = {};
  for (const megabytes of MEGABYTES) {
    const numbers = new Float32Array((megabytes * 1e6) / 4);
    const times: number[] = [];
    for (let i = 0; i < 20; i++) {
      const start = performance.now();
      await ranks!.sum(numbers);
      times.push(performance.now() - start);
    }
    rates[`${megabytes} MB, ms`] = median(times.slice(5));
  }
  return rates;
}

/** What a plain copy of memory takes, the least that an exchange on one machine can. */
function copy(): number {
  const [from, to] = [new Float32Array(16e6), new Float32Array(16e6)];
  const times = Array.from({ length: 10 }, () => {
    const start = performance.now();
    to.set(from);
    return performance.now() - start;
  });
  return median(times);
}

const mnist = await loadDataset("mnist");
const config = { ...scaleConfig(SCALES.small, mnist, [], 0), steps: Number(values.steps) };

async function steps(): Promise<number> {
  const run = training(config, mnist.train, { ...(ranks && { ranks }) });
  for await (const _ of run);
  return median(run.seconds.slice(5));
}

const stepSeconds = await steps();
const exchange = ranks ? await sums() : {};
if ((ranks?.rank ?? 0) === 0) {
  const numbers = Object.values(taskShapes(makeTask(config))).reduce(
    (sum, shape) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );
  console.log(
    JSON.stringify({
      ranks: size,
      engine: ranks?.engine,
      batch: config.batchSize,
      gradientMegabytes: (4 * numbers) / 1e6,
      stepMs: 1000 * stepSeconds,
      "copy of 64 MB, ms": copy(),
      ...exchange,
    }),
  );
}
await ranks?.close();
