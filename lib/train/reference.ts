/** Training checkpoints of the reference's code: `model`, `ema`, `opt`, `args`, `epoch` and `steps`, both ways. */
import { IMAGENET_IMAGES } from "../align/presets.ts";
import {
  fromTensor,
  type NdArray,
  openTorch,
  PythonObject,
  TorchTensor,
  type TorchValue,
  toFloat32,
  writeTorch,
} from "../io/index.ts";
import type { Dict } from "../io/torch/index.ts";
import { isSafetensors } from "../io/weights.ts";
import { loadModel } from "../models/load.ts";
import { type AdamWState, initAdamW } from "../optim/adamw.ts";
import { scheduleAt } from "../optim/schedules.ts";
import { mapParams, type Params } from "../tensor/params.ts";
import { tf } from "../tensor/tf.ts";
import type { TrainConfig } from "./config.ts";
import { makeTask, type TaskConfig } from "./make-task.ts";
import type { TrainState } from "./step.ts";
import { headShapes, isTrained, type Task, taskShapes } from "./task.ts";

const isDict = (value: unknown): value is Dict => value instanceof Map;

const trainedOf = (task: Task, params: Params): Params =>
  Object.fromEntries(Object.entries(params).filter(([name]) => isTrained(task, name)));

/** A model and the heads of its methods, in the order in which published code numbers them. */
async function loadTask(
  path: string,
  { model }: TaskConfig,
  task: Task,
  weights: "ema" | "model",
): Promise<Params> {
  const { params } = await loadModel(path, model, { weights, heads: headShapes(task) });
  return Object.fromEntries(Object.keys(taskShapes(task)).map((name) => [name, params[name]]));
}

/**
 * A state to go on from: a training checkpoint of the reference, moments included where it has them, or any file of
 * weights, whose teacher then is the same as the student.
 * @returns the state, and the steps done where the file says so, otherwise 0
 * @throws as `loadModel` does, and where the optimizer's state does not fit.
 */
export async function readReferenceState(
  path: string,
  config: TaskConfig,
): Promise<{ state: TrainState; steps: number }> {
  const task = makeTask(config);
  const ema = await loadTask(path, config, task, "ema");
  const fromWeights = (): { state: TrainState; steps: number } => {
    const params = mapParams(ema, (p) => tf.clone(p));
    return { state: { params, ema, optimizer: initAdamW(trainedOf(task, params)) }, steps: 0 };
  };
  if (await isSafetensors(path)) return fromWeights();
  const file = await openTorch(path);
  try {
    const saved = file.value;
    if (!isDict(saved) || !isDict(saved.get("model"))) return fromWeights();
    const params = await loadTask(path, config, task, "model");
    const steps = Number(saved.get("steps") ?? 0);
    const names = [...(saved.get("model") as Map<string, unknown>).keys()].map((name) =>
      name.replace(/^(module\.|_orig_mod\.)+/, ""),
    );
    const read = async (value: unknown, name: string): Promise<Float32Array> => {
      if (!(value instanceof TorchTensor) || `${value.shape}` !== `${params[name].shape}`)
        throw new Error(
          `the optimizer's state of ${name} in ${path} does not fit its shape [${params[name].shape}]`,
        );
      return toFloat32(await file.read(value));
    };
    const optimizer = initAdamW(trainedOf(task, params));
    const moments = isDict(saved.get("opt")) ? (saved.get("opt") as Dict).get("state") : undefined;
    if (!isDict(moments)) return { state: { params, ema, optimizer }, steps };
    for (const [index, entry] of moments as Map<number, Dict>) {
      const name = names[index];
      // A head that no method of the config trains has moments there, and none here.
      if (!optimizer.first[name]) continue;
      optimizer.first[name] = tf.tensor(await read(entry.get("exp_avg"), name), params[name].shape);
      optimizer.second[name] = tf.tensor(await read(entry.get("exp_avg_sq"), name), params[name].shape);
      const step = entry.get("step");
      optimizer.step = tf.scalar(
        step instanceof TorchTensor ? toFloat32(await file.read(step))[0] : Number(step),
      );
    }
    return { state: { params, ema, optimizer }, steps };
  } finally {
    await file.close();
  }
}

/** Arrays in the order of the reference's module, by which its optimizer numbers them. */
async function ordered(params: Params, names: readonly string[]): Promise<Record<string, NdArray>> {
  const result: Record<string, NdArray> = {};
  for (const name of names) if (params[name]) result[name] = await fromTensor(params[name]);
  return result;
}

/** Writes a state as the reference's training code saves and resumes it; its lambda depends on ImageNet's epochs. */
export async function writeReferenceState(
  path: string,
  { params, ema, optimizer }: TrainState,
  config: TrainConfig,
  steps: number,
): Promise<void> {
  const args = new PythonObject("argparse.Namespace", []);
  args.state = new Map<string, TorchValue>([
    ["exported_from", "ditlab"],
    ["config", JSON.stringify(config)],
  ]);
  const names = Object.keys(taskShapes(makeTask(config)));
  await writeTorch(path, {
    model: await ordered(params, names),
    ema: await ordered(ema, names),
    opt: await optimizerState(optimizer, config, names, steps),
    args,
    epoch: Math.floor((steps * config.batchSize) / IMAGENET_IMAGES),
    steps,
  });
}

async function optimizerState(
  { first, second, step }: AdamWState,
  { adamW, learningRate }: TrainConfig,
  names: readonly string[],
  steps: number,
): Promise<TorchValue> {
  const state = new Map<number, TorchValue>();
  for (const [i, name] of names.entries()) {
    if (!first[name]) continue;
    state.set(i, {
      step: await fromTensor(step),
      exp_avg: await fromTensor(first[name]),
      exp_avg_sq: await fromTensor(second[name]),
    });
  }
  const group = {
    lr: scheduleAt(learningRate, steps),
    betas: [...adamW.betas],
    eps: adamW.epsilon,
    weight_decay: adamW.weightDecay,
    amsgrad: false,
    maximize: false,
    foreach: null,
    capturable: false,
    params: names.map((_, i) => i),
  };
  return { state, param_groups: [group] };
}
