/** A training on a GPU and by onnxruntime side by side. */
import type { Batch } from "../../../lib/align/index.ts";
import { jit } from "../../../lib/jit/index.ts";
import {
  flattenTree,
  mapParams,
  normalTensor,
  randomGenerator,
  type Tensor,
  tf,
} from "../../../lib/tensor/index.ts";
import { batchSource } from "../../../lib/train/batches.ts";
import {
  initTask,
  initTrainState,
  makeTask,
  type StepScalars,
  type TrainConfig,
  type TrainState,
  trainStep,
} from "../../../lib/train/index.ts";
import { smallImages } from "../../train/small.ts";
import { GPU_TARGET } from "./target.ts";

/** The largest absolute value of a number of each index; NaN where there is one. */
function largest({ length }: ArrayLike<number>, at: (index: number) => number): number {
  let found = 0;
  for (let i = 0; i < length; i++) {
    const value = Math.abs(at(i));
    if (!(value <= found)) found = value;
    if (Number.isNaN(found)) return found;
  }
  return found;
}

/** Trains for some steps; `arraysOf` gives what batches have beside their images. */
export async function trainOnBoth(config: TrainConfig, steps: number, arraysOf?: () => Batch["arrays"]) {
  const task = makeTask(config);
  const random = randomGenerator(5);
  // The initialization's zeros would hide most of the network.
  const params = mapParams(initTask(task, random), (p) =>
    tf.tidy(() => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.05)) as Tensor),
  );
  const scalars: StepScalars = {
    learningRate: tf.scalar(1e-3),
    weights: config.methods.map(() => tf.scalar(0.2)),
    emaDecay: tf.scalar(0.9),
  };
  const options = { adamW: config.adamW, maxGradientNorm: 1, microBatches: 1 };
  const compiled = (target: "cpu" | typeof GPU_TARGET) =>
    jit(
      (state: TrainState, batch: Batch, scalars: StepScalars) =>
        trainStep(task, state, batch, scalars, options),
      { name: "trainStep", donate: [0], target },
    );
  const [cpu, gpu] = [compiled("cpu"), compiled(GPU_TARGET)];
  const copied = (): TrainState =>
    initTrainState(
      task,
      mapParams(params, (p) => tf.tensor(p.dataSync().slice(), p.shape) as Tensor),
      {},
      params,
    );
  let [expected, actual] = [copied(), copied()];
  const nextBatch = batchSource(smallImages(), config, { task });
  /** How many there are after each step. */
  const tensors: number[] = [];
  const metrics: { metric: string; expected: number; actual: number }[] = [];
  for (let step = 0; step < steps; step++) {
    const batch = { ...(await nextBatch(step)), ...(arraysOf && { arrays: arraysOf() }) };
    const [a, b] = [await cpu(expected, batch, scalars), await gpu(actual, batch, scalars)];
    [expected, actual] = [a.state, b.state];
    for (const [metric, value] of Object.entries(a.metrics))
      metrics.push({
        metric,
        expected: (await value.data())[0],
        actual: (await b.metrics[metric].data())[0],
      });
    tf.dispose([a.metrics, b.metrics, flattenTree(batch).map(({ tensor }) => tensor)]);
    tensors.push(tf.memory().numTensors);
  }
  let worst = { relative: 0, name: "" };
  const others = flattenTree(actual);
  for (const [i, { tensor, path }] of flattenTree(expected).entries()) {
    const [wanted, got] = [await tensor.data(), await others[i].tensor.data()];
    const scale = largest(wanted, (i) => wanted[i]);
    const error = largest(wanted, (i) => wanted[i] - got[i]);
    const relative = error / Math.max(1e-6, scale);
    if (!(relative <= worst.relative)) worst = { relative, name: path };
  }
  const [{ inPlace, overwritten }] = gpu.stats.traces;
  await Promise.all([cpu.dispose(), gpu.dispose()]);
  return { worst, metrics, tensors, inPlace, overwritten, state: others.length };
}
