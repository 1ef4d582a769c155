/** Our own training steps on this GPU: right or not, how long they take and where the time goes, and what a run costs the host. */

import { methodPreset } from "../../lib/align/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import type { Precision } from "../../lib/jit/index.ts";
import { useTarget } from "../../lib/jit/targets/index.ts";
import { flattenTree, mapParams, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import {
  compileStep,
  initTask,
  initTrainState,
  makeTask,
  syntheticBatch,
  syntheticScalars,
  type TrainConfig,
} from "../../lib/train/index.ts";
import { stepConfig } from "../planned-step.ts";
import { type GpuTarget, openGpu } from "./open.ts";
import { attempt, median } from "./report.ts";

const PART = "steps";

async function prepared(config: TrainConfig) {
  const task = makeTask(config);
  const random = randomGenerator(1);
  // The zeros of the initialization would hide most of the network.
  const params = mapParams(initTask(task, random), (p) =>
    tf.tidy(() => tf.add(p, tf.mul(tf.tensor(random.normals(p.size), p.shape), 0.02)) as Tensor),
  );
  const fresh = () =>
    initTrainState(
      task,
      mapParams(params, (p) => tf.clone(p)),
      config,
    );
  const batch = await syntheticBatch(config, config.batchSize);
  return { task, fresh, batch, scalars: syntheticScalars(config) };
}

/** Three steps of a small model here and on the processor: the largest difference, relative to each tensor's largest number. */
async function parity(target: GpuTarget): Promise<{ worst: number; where: string }> {
  const base = stepConfig("SiT-S/2", "plain", 3);
  const model = { ...base.model, inputSize: 8, hiddenSize: 40, depth: 4, numHeads: 4 };
  const methods = [methodPreset("sra", { depth: 4, process: SIT_PROCESS })];
  const config: TrainConfig = { ...base, model, methods };
  const { task, fresh, batch, scalars } = await prepared(config);
  const ends: { path: string; data: Float32Array }[][] = [];
  for (const on of ["cpu", target] as const) {
    useTarget(on);
    const step = compileStep(task, { ...config, microBatches: 1 });
    let state = fresh();
    for (let i = 0; i < 3; i++) ({ state } = await step(state, batch, scalars));
    const leaves = flattenTree(state).map(async ({ path, tensor }) => ({
      path,
      data: (await tensor.data()) as Float32Array,
    }));
    ends.push(await Promise.all(leaves));
    await step.dispose();
  }
  let [worst, where] = [0, ""];
  ends[0].forEach(({ path, data }, i) => {
    const scale = data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-6);
    const error = data.reduce((most, x, j) => Math.max(most, Math.abs(x - ends[1][i].data[j])), 0) / scale;
    if (!(error <= worst)) [worst, where] = [error, path];
  });
  return { worst, where };
}

/** Steps of a model: the first one, which compiles, and the median of those that follow without waiting between. */
async function timed(
  target: GpuTarget,
  model: Parameters<typeof stepConfig>[0],
  batchSize: number,
  precision: Precision,
  rounds: number,
) {
  const config = { ...stepConfig(model, "sra", batchSize), precision };
  const { task, fresh, batch, scalars } = await prepared(config);
  const step = compileStep(task, { ...config, microBatches: 1 });
  const device = await openGpu(target);
  const idle = (): Promise<void> => device.done();
  let state = fresh();
  const begin = performance.now();
  ({ state } = await step(state, batch, scalars));
  await idle();
  const firstSeconds = (performance.now() - begin) / 1000;
  const seconds: number[] = [];
  const host: number[] = [];
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    for (let i = 0; i < rounds; i++) ({ state } = await step(state, batch, scalars));
    await idle();
    seconds.push((performance.now() - start) / 1000 / rounds);
    // With nothing under way, nothing is waited for.
    const given = performance.now();
    ({ state } = await step(state, batch, scalars));
    host.push(performance.now() - given);
    await idle();
  }
  const [{ nodes, encodeSeconds, traceSeconds }] = step.stats.traces;
  const profile = await step.profile([state, batch, scalars], { runs: 3 });
  await step.dispose();
  return {
    target,
    model,
    batchSize,
    usedGB: device.used === undefined ? undefined : device.used / 1e9,
    precision: step.stats.traces[0].precision,
    firstSeconds,
    traceSeconds,
    planSeconds: encodeSeconds,
    stepMs: 1000 * median(seconds),
    hostMs: median(host),
    nodes,
    kernels: profile.nodes,
    kernelMs: 1000 * profile.seconds,
    gflops: profile.flops / median(seconds) / 1e9,
    longest: profile.operators.slice(0, 60),
    parts: profile.parts.slice(0, 60),
    products: profile.products.slice(0, 30),
  };
}

export async function steps(target: GpuTarget): Promise<void> {
  await attempt(PART, { what: "parity with the processor", target }, () => parity(target));
  useTarget(target);
  const cases = (process.env.GPU_STEPS ?? "SiT-S/2:32 SiT-B/2:32 SiT-XL/2:32").split(" ");
  // What is asked for first comes first: time on a card is short.
  const precisions = (process.env.GPU_PRECISIONS ?? "bfloat16 float32").split(" ") as Precision[];
  for (const precision of precisions)
    for (const name of cases) {
      const [model, batchSize] = name.split(":");
      const rounds = Number(process.env.GPU_ROUNDS ?? 20);
      await attempt(PART, { what: "step", precision }, () =>
        timed(target, model as Parameters<typeof stepConfig>[0], Number(batchSize), precision, rounds),
      );
    }
}
