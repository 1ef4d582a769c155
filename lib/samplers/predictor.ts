/** Networks as samplers take them: functions of x and a time, with condition and guidance inside. */
import { makeProcess, type ProcessConfig, predictsAlike } from "../diffusion/process.ts";
import type { Condition, Network } from "../models/network.ts";
import { checkKnown } from "../schema.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { flattenTree, mapTensors, tidyTree } from "../tensor/tree.ts";
import { checkChannels, checkGuidance, type Guidance, guide, guidesAt } from "./guidance.ts";
import { newcomers } from "./own.ts";
import type { Predict } from "./sample.ts";

/** A network on a batch: x [B,C,H,W], times t [B], a condition of the batch -> what it predicts. Plain or compiled. */
export type ConditionalModel<V = Tensor | Promise<Tensor>, C extends Condition = Condition> = (
  x: Tensor,
  t: Tensor,
  condition: C,
) => V;

/** What guidance leads away from: no condition (Ho & Salimans 2022), or a weaker model (Karras et al. 2024). One of them. */
export interface Against<V = Tensor | Promise<Tensor>, C extends Condition = Condition> {
  /** The condition that says nothing, of the batch: `network.nullCondition(batch, params)`. */
  none?: C;
  /** A weaker model, asked with the same condition. */
  weaker?: ConditionalModel<V, C>;
}

export interface PredictorOptions<V = Tensor | Promise<Tensor>, C extends Condition = Condition>
  extends Against<V, C> {
  /** What the images are to be of, for example `{ y }` with class ids [B]. Default: nothing. */
  condition?: C;
  guidance?: Guidance;
}

/** Throws unless there is one thing that guidance leads away from. */
function checkAgainst({ none, weaker }: { none?: Condition; weaker?: unknown }): void {
  if ((none === undefined) === (weaker === undefined))
    throw new Error(
      `guidance leads away from none, the condition that says nothing, or from a weaker model; expected one of them, got ${none ? "both" : "neither"}`,
    );
  if (none && flattenTree(none).length === 0)
    throw new Error(
      "classifier-free guidance leaves the condition out, and the network takes none; expected a weaker model to be guided by, or no guidance",
    );
}

/**
 * Throws on guidance that means nothing, by itself or with what it leads away from; a scale of 1 leads away from nothing.
 * `channels` is how many there are, where that is known.
 */
export function checkGuided(
  guidance: Guidance | undefined,
  against: { none?: Condition; weaker?: unknown },
  channels?: number,
): void {
  if (guidance) {
    checkGuidance(guidance, channels);
    if (guidance.scale !== 1) checkAgainst(against);
  } else if (against.weaker !== undefined)
    throw new Error("a weaker model guides by guidance.scale; expected guidance, got none");
}

/** The condition of a batch of twice the size: first the one, then the other. */
function bothConditions<C extends Condition>(condition: C, none: Condition): C {
  const empty = new Map(flattenTree(none).map(({ path, tensor }) => [path, tensor]));
  return mapTensors(condition, (tensor, path) => {
    const other = empty.get(path);
    if (!other)
      throw new Error(`the condition that says nothing must have what the condition has; got no '${path}'`);
    return tf.concat([tensor, other]);
  });
}

/** One time for each of a batch [count]. */
export const batchTimes = (count: number, t: Tensor | number): Tensor =>
  tf.tidy(() => tf.mul(tf.ones([count]), t));

/** What becomes of values, now or when they are there. What was made to ask for them goes, also where there are none. */
function answered<V extends Tensor | Promise<Tensor>>(
  ask: () => V[],
  made: Tensor[],
  use: (tensors: Tensor[]) => Tensor,
): V {
  const end = (): void => tf.dispose(made);
  let isLate = false;
  try {
    const values = ask();
    isLate = values.some((value) => value instanceof Promise);
    return (isLate ? Promise.all<Tensor>(values).then(use).finally(end) : use(values as Tensor[])) as V;
  } finally {
    if (!isLate) end();
  }
}

/** The output of a model at one time t without guidance. */
export function plainOutput<V extends Tensor | Promise<Tensor>, C extends Condition>(
  model: ConditionalModel<V, C>,
  x: Tensor,
  t: Tensor | number,
  condition: C,
): V {
  const times = batchTimes(x.shape[0], t);
  return answered(
    () => [model(x, times, condition)],
    [times],
    ([output]) => output,
  );
}

/** weak + scale (strong - weak). Without a weaker model the weak half is the same model's, in one batch of twice the size. */
export function guidedOutput<V extends Tensor | Promise<Tensor>, C extends Condition>(
  model: ConditionalModel<V, C>,
  x: Tensor,
  t: Tensor | number,
  condition: C,
  { none, weaker }: Against<V, C>,
  { scale, channels }: { scale: Tensor | number; channels: number },
): V {
  const inputs = tidyTree(() =>
    weaker
      ? { x, times: batchTimes(x.shape[0], t), condition }
      : {
          x: tf.concat([x, x]),
          times: batchTimes(2 * x.shape[0], t),
          condition: bothConditions(condition, none ?? {}),
        },
  );
  const isNew = newcomers();
  const models = [model, ...(weaker ? [weaker] : [])];
  return answered(
    () => models.map((ask) => ask(inputs.x, inputs.times, inputs.condition)),
    weaker ? [inputs.times] : flattenTree(inputs).map(({ tensor }) => tensor),
    (outputs) => {
      const halves = weaker ? outputs : tf.split(outputs[0], 2);
      const guided = guide(halves[0], halves[1], scale, channels);
      if (!weaker) tf.dispose(halves);
      for (const output of outputs) if (isNew(output)) output.dispose();
      return guided;
    },
  );
}

/** A tensor in JavaScript would become NaN, and a step in the place of its share would switch guidance off. */
function checkTimes(t: number, stepTime: number): void {
  const shown = (value: unknown): string => (value instanceof tf.Tensor ? "a tensor" : String(value));
  if (typeof t !== "number" || !Number.isFinite(t))
    throw new TypeError(`a predictor's t must be one finite number for the whole batch, got ${shown(t)}`);
  if (typeof stepTime !== "number" || !(stepTime >= 0 && stepTime <= 1)) {
    throw new RangeError(
      `a predictor's stepTime must be a number from 0 to 1 (of a DiT: t / T), got ${shown(stepTime)}`,
    );
  }
}

/**
 * A model as samplers take it. Where guidance acts it is weak + scale (strong - weak): strong with the condition, weak with
 * `none`, in one batch of 2B, or by a weaker model; elsewhere the model with the condition. It returns a promise if the
 * model does.
 */
export function predictor<V extends Tensor | Promise<Tensor>, C extends Condition>(
  model: ConditionalModel<V, C>,
  { condition = {} as C, guidance, ...against }: PredictorOptions<V, C> = {},
): Predict<V> {
  checkKnown(against, ["none", "weaker", "condition", "guidance"], "predictor options");
  checkGuided(guidance, against);
  return (x, t, stepTime) => {
    checkTimes(t, stepTime);
    checkChannels(guidance?.channels, x.shape[1]!);
    if (!guidance || !guidesAt(guidance, stepTime)) return plainOutput(model, x, t, condition);
    const { scale, channels = x.shape[1]! } = guidance;
    return guidedOutput(model, x, t, condition, against, { scale, channels });
  };
}

/** What can be sampled from: of a network this much, so that a function of one's own can be one. */
export type Sampleable = Pick<
  Network,
  "name" | "input" | "classes" | "apply" | "conditionOf" | "nullCondition"
> &
  Partial<Pick<Network, "outChannels">>;

/** A weaker model to be guided by, such as another pipeline. */
export interface WeakerModel {
  /** Default: the same as the model's that it guides. */
  network?: Sampleable;
  params: Params;
  /** What it predicts, where that is known: compared with the process of the model that it guides. */
  process?: ProcessConfig;
}

/** Throws where what a network predicts is not what its process has it predict. */
export function checkPredicts(
  { name, input: [channels], outChannels }: Sampleable,
  process: ProcessConfig,
): void {
  const expected = makeProcess(process).outChannels(channels);
  if (outChannels !== undefined && outChannels !== expected)
    throw new Error(
      `the ${name} predicts ${outChannels} channels; expected ${expected}, as its process has it of ${channels}`,
    );
}

/** Throws where what a weaker model says cannot be compared with what the model says. */
export function checkWeaker(network: Sampleable, weaker: WeakerModel, process?: ProcessConfig): void {
  if (process && weaker.process && !predictsAlike(process, weaker.process))
    throw new Error(
      `a weaker model guides within one process; expected ${JSON.stringify(process)}, got ${JSON.stringify(weaker.process)}`,
    );
  const { network: other = network } = weaker;
  const { input, outChannels, classes } = other;
  const fail = (what: string, expected: unknown, got: unknown): never => {
    throw new Error(
      `a weaker model must ${what} as the model that it guides; expected ${expected}, got ${got}`,
    );
  };
  if (`${input}` !== `${network.input}`) fail("take the same input", `[${network.input}]`, `[${input}]`);
  if (outChannels !== network.outChannels && outChannels !== undefined && network.outChannels !== undefined)
    fail("predict as many channels", network.outChannels, outChannels);
  if (classes > 0 && classes !== network.classes)
    fail("know the same classes", network.classes > 0 ? `${network.classes} or none` : "none", classes);
}

/** A network with its parameters, and what it is guided by. */
export interface NetworkPredictorOptions {
  condition?: Condition;
  guidance?: Guidance;
  /** A weaker model to be guided by; without one guidance is classifier-free. */
  weaker?: WeakerModel;
}

const applied =
  (network: Sampleable, params: Params): ConditionalModel<Tensor> =>
  (x, t, condition) =>
    tf.tidy(() => network.apply(params, x, t, condition).output);

/** `predictor` of a network, for a batch as large as the condition's. */
export function networkPredictor(
  network: Sampleable,
  params: Params,
  { condition = {}, guidance, weaker, ...others }: NetworkPredictorOptions = {},
): Predict<Tensor> {
  checkKnown(others, ["condition", "guidance", "weaker"], "predictor options");
  const strong = applied(network, params);
  if (weaker) {
    checkWeaker(network, weaker);
    return predictor(strong, {
      condition,
      guidance,
      weaker: applied(weaker.network ?? network, weaker.params),
    });
  }
  const [batch = 1] = flattenTree(condition)[0]?.tensor.shape ?? [];
  return predictor(strong, {
    condition,
    guidance,
    ...(guidance && { none: network.nullCondition(batch, params) }),
  });
}
