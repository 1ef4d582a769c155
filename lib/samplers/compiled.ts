/** Samplers as loops of one compiled program: nothing comes back to JavaScript between steps. */
import { type Estimates, estimates, type ProcessConfig } from "../diffusion/index.ts";
import { type Compiled, jit, loop } from "../jit/index.ts";
import type { Condition } from "../models/network.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type Guidance, guidesAt } from "./guidance.ts";
import { layoutOf, numbersAt, tableOf } from "./numbers.ts";
import { type PlannedStep, samplerFor } from "./plan.ts";
import { type ConditionalModel, guidedOutput, plainOutput, type Sampleable } from "./predictor.ts";
import type { Question, SamplerState, SamplerStep, StepNumbers } from "./sampler.ts";
import type { SamplerChoice } from "./samplers.ts";

/** Consecutive steps that are alike: what one run of a program does. */
export interface Segment {
  sampler: SamplerChoice;
  guided: boolean;
  /** Whether its steps draw noise, but for those whose own number for it is 0. */
  noisy: boolean;
  steps: StepNumbers[];
}

/** Steps that draw noise in one run: their noise is an argument. */
const NOISY_STEPS = 8;

/** A sampler's steps in runs. Guidance switches by the time at which a step begins. */
export function segmentsOf(
  sampler: SamplerChoice,
  planned: readonly PlannedStep[],
  guidance?: Guidance,
): Segment[] {
  const segments: Segment[] = [];
  const noisy = planned.some(({ numbers }) => numbers.noise);
  const layout = (numbers: StepNumbers): string => JSON.stringify(layoutOf(numbers));
  for (const { numbers, begins } of planned) {
    const guided = guidesAt(guidance, begins);
    const last = segments.at(-1);
    const full = noisy && last?.steps.length === NOISY_STEPS;
    if (last?.guided === guided && layout(last.steps[0]) === layout(numbers) && !full)
      last.steps.push(numbers);
    else segments.push({ sampler, guided, noisy, steps: [numbers] });
  }
  return segments;
}

/** What a run is given beside the steps. */
export interface RunOptions {
  params: Params;
  /** What the images are to be of, of x's batch. */
  condition: Condition;
  /** Scale of guidance, where it acts, and the first channels, which are guided. */
  scale: number;
  channels: number;
  /** A weaker network to be guided by. */
  weaker?: { network: Sampleable; params: Params };
  /** Draws x's shape, for each step that adds noise. */
  noise: () => Tensor;
  /** Clamp the predicted data to [-1, 1]. */
  clip?: boolean;
  /** Also what the data were predicted to be when the segment's last step began. */
  watched?: boolean;
}

export interface RunResult {
  state: SamplerState;
  denoised?: Tensor;
}

export interface CompiledSampler {
  /** The state before a sampler's first step. */
  start(sampler: SamplerChoice, x: Tensor): SamplerState;
  /** Runs a segment from a state, which it leaves to the caller. */
  run(state: SamplerState, segment: Segment, options: RunOptions): Promise<RunResult>;
  dispose(): Promise<void>;
}

/** The tensors of a run. */
interface Inputs {
  params: Params;
  weaker?: Params;
  state: SamplerState;
  condition: Condition;
  /** Numbers of the steps [capacity, names], and how many there are. */
  table: Tensor;
  count: Tensor;
  scale: Tensor;
  /** Where steps draw it: [steps, ...x.shape]. */
  noise?: Tensor;
}

/** What is part of a program. */
interface Structure {
  layout: StepNumbers;
  guided: boolean;
  channels: number;
  clip: boolean;
  watched: boolean;
}

/** One sampler for a network and its process; the programs are compiled when they are first needed. */
export function compiledSampler(network: Sampleable, process: ProcessConfig): CompiledSampler {
  /** The steps of a sampler, guided by a weaker network or not. */
  const stepsOf =
    (sampler: SamplerChoice, weakerNetwork?: Sampleable) =>
    (inputs: Inputs, structure: Structure): RunResult => {
      const { params, weaker, condition, table, count, scale, noise } = inputs;
      const { layout, guided, channels, clip, watched } = structure;
      const { step } = samplerFor(sampler, process);
      const model = (network: Sampleable, params: Params): ConditionalModel<Tensor> => {
        return (x, t, condition) => network.apply(params, x, t, condition).output;
      };
      const strong = model(network, params);
      const against =
        weakerNetwork && weaker
          ? { weaker: model(weakerNetwork, weaker) }
          : { none: guided ? network.nullCondition(inputs.state.x.shape[0], params) : {} };
      const asked = (x: Tensor, t: Tensor | number): Tensor =>
        guided
          ? guidedOutput(strong, x, t, condition, against, { scale, channels })
          : plainOutput(strong, x, t, condition);
      const first: RunResult = { state: inputs.state, ...(watched && { denoised: inputs.state.x }) };
      return loop(count, first, ({ state }, index) => {
        const z = noise && tf.reshape(tf.gather(noise, index), state.x.shape);
        const numbers = numbersAt(table, index, layout);
        return outcome(
          step(state, numbers, z),
          ({ x, at }) => estimates(process, asked(x, at.t), x, at, clip),
          watched,
        );
      });
    };
  type Program = Compiled<[Inputs, Structure], RunResult>;
  const programs = new Map<SamplerChoice, Map<Sampleable | undefined, Program>>();
  const programFor = (sampler: SamplerChoice, weaker?: Sampleable): Program => {
    const ofSampler = programs.get(sampler) ?? new Map<Sampleable | undefined, Program>();
    const program = ofSampler.get(weaker) ?? jit(stepsOf(sampler, weaker), { name: "sample" });
    programs.set(sampler, ofSampler.set(weaker, program));
    return program;
  };
  return {
    start: (sampler, x) => samplerFor(sampler, process).start?.(x) ?? { x },
    async dispose() {
      const all = [...programs.values()].flatMap((ofSampler) => [...ofSampler.values()]);
      await Promise.all(all.map((program) => program.dispose()));
    },
    async run(state, { sampler, guided, noisy, steps }, options) {
      const { params, condition, scale, channels, weaker, noise, clip = false, watched = false } = options;
      const inputs: Inputs = {
        params,
        state,
        condition,
        table: tableOf(steps),
        count: tf.scalar(steps.length, "int32"),
        scale: tf.scalar(scale),
        ...(guided && weaker && { weaker: weaker.params }),
        ...(noisy && { noise: stackedNoise(state.x, steps, noise) }),
      };
      const structure = {
        layout: layoutOf(steps[0]),
        guided,
        channels: guided ? channels : 0,
        clip,
        watched,
      };
      try {
        return await programFor(sampler, guided ? weaker?.network : undefined)(inputs, structure);
      } finally {
        tf.dispose([inputs.table, inputs.count, inputs.scale, ...(inputs.noise ? [inputs.noise] : [])]);
      }
    },
  };
}

/** The outcome of a step whose questions are answered at once. */
function outcome(
  asking: SamplerStep<SamplerState>,
  answer: (question: Question) => Estimates,
  watched: boolean,
): RunResult {
  let denoised: Tensor | undefined;
  let asked = asking.next();
  while (!asked.done) {
    const estimated = answer(asked.value);
    if (watched) denoised ??= estimated.data();
    asked = asking.next(estimated);
  }
  return { state: asked.value, ...(denoised && { denoised }) };
}

/** The noise of steps [NOISY_STEPS, ...x.shape], zeros where none is drawn. */
const stackedNoise = (x: Tensor, steps: readonly StepNumbers[], noise: () => Tensor): Tensor =>
  tf.tidy(() => {
    const still = tf.zeros(x.shape);
    const drawn = steps.map((numbers) => (numbers.noise ? noise() : still));
    while (drawn.length < NOISY_STEPS) drawn.push(still);
    return tf.stack(drawn);
  });
