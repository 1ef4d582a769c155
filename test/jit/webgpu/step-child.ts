/** A process that trains on a GPU and by onnxruntime side by side, and prints where they differ as JSON. */
import { methodPreset } from "../../../lib/align/index.ts";
import { type ProcessConfig, SIT_PROCESS } from "../../../lib/diffusion/index.ts";
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
  type TrainState,
  trainStep,
} from "../../../lib/train/index.ts";
import { smallConfig, smallImages } from "../../train/small.ts";

const [, , method, stepsText] = process.argv;
const steps = Number(stepsText);
const base = smallConfig({ batchSize: 3 });
// Odd sizes: width 20 in two heads of 10, patches of 2.
const model = { ...base.model, hiddenSize: 20, depth: 3, patchSize: 2 };
const trained: { depth: number; process: ProcessConfig } = { depth: 3, process: SIT_PROCESS };
const methods = method === "none" ? [] : [methodPreset(method as "sra", trained)];
const config = { ...base, model, methods };
const task = makeTask(config);
const random = randomGenerator(5);
// The initialization's zeros would hide most of the network.
const params = mapParams(initTask(task, random), (p) =>
  tf.tidy(() => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.05)) as Tensor),
);
const scalars: StepScalars = {
  learningRate: tf.scalar(1e-3),
  weights: methods.map(() => tf.scalar(0.2)),
  emaDecay: tf.scalar(0.9),
};
const options = { adamW: config.adamW, maxGradientNorm: 1, microBatches: 1 };
const compiled = (target: "cpu" | "webgpu") =>
  jit(
    (state: TrainState, batch: Parameters<typeof trainStep>[2], scalars: StepScalars) =>
      trainStep(task, state, batch, scalars, options),
    { name: "trainStep", donate: [0], target },
  );
const [cpu, gpu] = [compiled("cpu"), compiled("webgpu")];
const copied = (): TrainState =>
  initTrainState(
    task,
    mapParams(params, (p) => tf.tensor(p.dataSync().slice(), p.shape) as Tensor),
  );
let [expected, actual] = [copied(), copied()];
const nextBatch = batchSource(smallImages(), config, { task });
const tensors: number[] = [];
const metrics: Record<string, [number, number]> = {};
for (let step = 0; step < steps; step++) {
  const batch = await nextBatch(step);
  const [a, b] = [await cpu(expected, batch, scalars), await gpu(actual, batch, scalars)];
  [expected, actual] = [a.state, b.state];
  for (const name of Object.keys(a.metrics))
    metrics[name] = [a.metrics[name].dataSync()[0], (await b.metrics[name].data())[0]];
  tf.dispose([a.metrics, b.metrics, flattenTree(batch).map(({ tensor }) => tensor)]);
  tensors.push(tf.memory().numTensors);
}
let worst = { relative: 0, name: "" };
const pairs = flattenTree(expected).map((leaf, i) => [leaf, flattenTree(actual)[i]] as const);
for (const [{ tensor, path }, { tensor: other }] of pairs) {
  const [wanted, got] = [await tensor.data(), await other.data()];
  const scale = Math.max(1e-6, ...Array.from(wanted, Math.abs));
  const error = Math.max(...Array.from(wanted, (x, i) => Math.abs(x - got[i])));
  if (!(error / scale <= worst.relative)) worst = { relative: error / scale, name: path };
}
const [{ inPlace, overwritten }] = gpu.stats.traces;
console.log(JSON.stringify({ worst, metrics, tensors, inPlace, overwritten, state: pairs.length }));
process.exit(0);
