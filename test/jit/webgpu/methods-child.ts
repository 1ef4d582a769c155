/**
 * A process that takes two training steps of every method that has a name, as SiT and as DiT, on a GPU and by onnxruntime,
 * and prints where they differ as a line of JSON for each.
 */
import { METHOD_NAMES, type MethodConfig, type MethodName, methodPreset } from "../../../lib/align/index.ts";
import { DIT_PROCESS, makeProcess, type ProcessConfig, SIT_PROCESS } from "../../../lib/diffusion/index.ts";
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

const STEPS = 2;
const BATCH = 3;

/** As its preset has it; what features of another network would bring is narrower. */
function methodOf(name: MethodName, process: ProcessConfig): MethodConfig {
  const method = methodPreset(name, { depth: 3, process });
  return method.method === "repa"
    ? { ...method, encoders: [{ array: "features", width: 12 }], projectorWidth: 24 }
    : method;
}

async function compare(name: MethodName, process: ProcessConfig) {
  const base = smallConfig({ batchSize: BATCH });
  const outChannels = makeProcess(process).outChannels(base.model.inChannels);
  const model = { ...base.model, depth: 3, patchSize: 2, outChannels };
  const config = { ...base, model, process, methods: [methodOf(name, process)] };
  const task = makeTask(config);
  const random = randomGenerator(5);
  // The initialization's zeros would hide most of the network.
  const params = mapParams(initTask(task, random), (p) =>
    tf.tidy(() => tf.add(p, tf.mul(normalTensor(random, p.shape), 0.05)) as Tensor),
  );
  const scalars: StepScalars = {
    learningRate: tf.scalar(1e-3),
    weights: [tf.scalar(0.2)],
    emaDecay: tf.scalar(0.9),
  };
  const options = { adamW: config.adamW, maxGradientNorm: 1, microBatches: 1 };
  const compiled = (target: "cpu" | "webgpu") =>
    jit(
      (state: TrainState, batch: Parameters<typeof trainStep>[2], scalars: StepScalars) =>
        trainStep(task, state, batch, scalars, options),
      { name: "trainStep", donate: [0], target },
    );
  const steps = [compiled("cpu"), compiled("webgpu")];
  let states = steps.map(() =>
    initTrainState(
      task,
      mapParams(params, (p) => tf.tensor(p.dataSync().slice(), p.shape) as Tensor),
    ),
  );
  const nextBatch = batchSource(smallImages(), config, { task });
  const metrics: { metric: string; expected: number; actual: number }[] = [];
  for (let step = 0; step < STEPS; step++) {
    const batch = await nextBatch(step);
    const arrays = { features: normalTensor(random, [BATCH, 16, 12]) };
    const given = { ...batch, arrays };
    const [cpu, gpu] = [await steps[0](states[0], given, scalars), await steps[1](states[1], given, scalars)];
    states = [cpu.state, gpu.state];
    for (const [metric, value] of Object.entries(cpu.metrics)) {
      const [expected] = await value.data();
      const [actual] = await gpu.metrics[metric].data();
      metrics.push({ metric, expected, actual });
    }
  }
  let worst = { relative: 0, name: "" };
  const others = flattenTree(states[1]);
  for (const [i, { tensor, path }] of flattenTree(states[0]).entries()) {
    const [wanted, got] = [await tensor.data(), await others[i].tensor.data()];
    const scale = Math.max(1e-6, ...Array.from(wanted, Math.abs));
    const error = Math.max(...Array.from(wanted, (x, j) => Math.abs(x - got[j])));
    if (!(error / scale <= worst.relative)) worst = { relative: error / scale, name: path };
  }
  await Promise.all(steps.map((step) => step.dispose()));
  return { worst, metrics };
}

for (const process of [SIT_PROCESS, DIT_PROCESS])
  for (const name of METHOD_NAMES) {
    const { worst, metrics } = await compare(name, process);
    console.log(JSON.stringify({ name: `${name}, ${process.type}`, worst, metrics }));
  }
process.exit(0);
