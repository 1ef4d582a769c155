/** Samplers as loops of one compiled program: nothing comes back to JavaScript between steps. */
import {
  betaSchedule,
  type GaussianConfig,
  gaussianDiffusion,
  respace,
  respacedTimesteps,
} from "../diffusion/gaussian.ts";
import type { InterpolantName } from "../diffusion/interpolants.ts";
import { jit, loop } from "../jit/index.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type ODEKind, odeStep, odeSteps } from "./euler.ts";
import { sdeStep, sdeSteps } from "./euler-maruyama.ts";
import { checkEta, type GaussianKind, gaussianStep, gaussianSteps } from "./gaussian.ts";
import {
  checkGuidance,
  type Guidance,
  guide,
  guidesAt,
  type VelocityModel,
  withNullClass,
} from "./guidance.ts";
import { answer, checkSteps, type Step } from "./steps.ts";

/** Those of a SiT, then those of a DiT. */
export const SAMPLERS = ["euler", "heun", "euler-maruyama", "ddpm", "ddim"] as const;
export type SamplerName = (typeof SAMPLERS)[number];

/** Consecutive steps of one kind: what one run of a program does. */
export interface Segment {
  kind: SamplerName;
  guided: boolean;
  /** Whether its steps draw noise, but for those whose own number for it is 0. */
  noisy: boolean;
  /** A step's numbers, as its kind orders them; the first is its time. */
  rows: number[][];
}

/** Steps that draw noise in one run: their noise is an argument. */
const NOISY_STEPS = 8;
/** Numbers of a step. */
const COLUMNS = 8;

const isGaussian = (kind: SamplerName): kind is GaussianKind => kind === "ddpm" || kind === "ddim";

/** The number that a step's noise is multiplied by, which is 0 where it draws none. */
const noiseOf = (kind: SamplerName, row: readonly number[]): number => {
  if (isGaussian(kind)) return row[7];
  return kind === "euler-maruyama" ? row[3] : 0;
};

export interface SamplerChoice {
  sampler: SamplerName;
  steps: number;
  guidance?: Guidance;
  /** A DiT's process. */
  diffusion?: GaussianConfig;
  /** DDIM's noise, from 0 (default) to 1. */
  eta?: number;
}

/** A sampler's steps in runs. Guidance switches by the time at which a step begins. */
export function plan(choice: SamplerChoice): Segment[] {
  const { guidance, diffusion } = choice;
  if (guidance) checkGuidance(guidance);
  const segments: Segment[] = [];
  const steps = stepsOf(choice);
  const draws = steps.some(({ kind, row }) => noiseOf(kind, row) > 0);
  for (const { kind, row } of steps) {
    const guided = guidesAt(guidance, row[0] / (diffusion?.steps ?? 1));
    const last = segments.at(-1);
    const full = draws && last?.rows.length === NOISY_STEPS;
    if (last?.kind === kind && last.guided === guided && !full) last.rows.push(row);
    else segments.push({ kind, guided, noisy: draws, rows: [row] });
  }
  return segments;
}

function stepsOf({ sampler, steps, diffusion, eta }: SamplerChoice): { kind: SamplerName; row: number[] }[] {
  if (!SAMPLERS.includes(sampler))
    throw new Error(`unknown sampler '${sampler}'; expected one of ${SAMPLERS.join(", ")}`);
  if (isGaussian(sampler) !== (diffusion !== undefined)) {
    const [family, own] = diffusion ? ["DiT", ["ddpm", "ddim"]] : ["SiT", SAMPLERS.slice(0, 3)];
    throw new Error(`sampler '${sampler}' is not one for a ${family}; expected ${own.join(", ")}`);
  }
  checkEta(sampler, eta);
  if (diffusion && isGaussian(sampler)) {
    const process = gaussianDiffusion(betaSchedule(diffusion.schedule, diffusion.steps));
    checkSteps(steps);
    const taken = respace(process, respacedTimesteps(String(steps), diffusion.steps));
    return gaussianSteps(taken, sampler, eta).map(({ t, scale, spread, mean, logVariance, noise }) => ({
      kind: sampler,
      row: [t, scale, spread, ...mean, ...logVariance, noise],
    }));
  }
  if (sampler === "euler-maruyama")
    return sdeSteps(steps).map(({ t, dt, pull, spread }) => ({ kind: sampler, row: [t, dt, pull, spread] }));
  return odeSteps(sampler as ODEKind, steps).map(({ kind, t, dt, next }) => ({ kind, row: [t, dt, next] }));
}

/** The step that a row's numbers are of: those of `stepsOf`, as tensors. */
function stepOf(
  kind: SamplerName,
  x: Tensor,
  row: Tensor[],
  { interpolant, diffusion }: { interpolant: InterpolantName; diffusion?: GaussianConfig },
  noise?: () => Tensor,
): Step<Tensor> {
  const [t, second, third, fourth, fifth, least, most, last] = row;
  if (diffusion && isGaussian(kind)) {
    const numbers = {
      t,
      scale: second,
      spread: third,
      mean: [fourth, fifth] as const,
      logVariance: [least, most] as const,
      noise: last,
    };
    return gaussianStep(kind, x, numbers, diffusion, false, noise);
  }
  if (kind === "euler-maruyama")
    return sdeStep(x, { t, dt: second, pull: third, spread: fourth }, interpolant, noise);
  return odeStep(kind as ODEKind, x, { t, dt: second, next: third });
}

/** The rows as a table whose size is one of few, so that a program serves many step counts. */
function tableOf(rows: readonly number[][]): Tensor {
  const capacity = Math.max(64, 2 ** Math.ceil(Math.log2(rows.length)));
  const values = new Float32Array(capacity * COLUMNS);
  rows.forEach((row, i) => {
    values.set(row, i * COLUMNS);
  });
  return tf.tensor2d(values, [capacity, COLUMNS]);
}

export interface CompiledSampler {
  /** Runs a segment from x [B,C,H,W] for class ids y [B]. `noise` draws x's shape, for each step that has a spread. */
  run(params: Params, x: Tensor, y: Tensor, segment: Segment, options: RunOptions): Promise<Tensor>;
  dispose(): Promise<void>;
}

export interface RunOptions {
  /** Scale of guidance, where it acts. */
  scale: number;
  interpolant: InterpolantName;
  /** Channels that are guided; default all of x's. */
  channels?: number;
  noise: () => Tensor;
}

/** One sampler for a network; the programs are compiled when they are first needed. */
export function compiledSampler(
  model: (params: Params) => VelocityModel<Tensor>,
  nullClass: number,
  diffusion?: GaussianConfig,
): CompiledSampler {
  interface Inputs {
    params: Params;
    x: Tensor;
    y: Tensor;
    /** Numbers of the steps [capacity, 8], and how many there are. */
    table: Tensor;
    count: Tensor;
    scale: Tensor;
    /** Where steps draw it: [steps, ...x.shape]. */
    noise?: Tensor;
  }
  const steps = (
    { params, x, y, table, count, scale, noise }: Inputs,
    kind: SamplerName,
    guided: boolean,
    interpolant: InterpolantName,
    channels: number | undefined,
  ): Tensor => {
    const network = model(params);
    const size = x.shape[0];
    const ids = guided ? withNullClass(y, nullClass) : y;
    const velocity = (x: Tensor, t: Tensor): Tensor => {
      const times = tf.mul(tf.ones(ids.shape), t);
      if (!guided) return network(x, times, ids);
      return guide(network(tf.concat([x, x]), times, ids), scale, channels);
    };
    return loop(count, x, (x, index) => {
      const row = tf.unstack(tf.gather(table, index as never)) as Tensor[];
      const drawn = (): Tensor => tf.reshape(tf.gather(noise!, index as never), [size, ...x.shape.slice(1)]);
      const step = stepOf(kind, x, row, { interpolant, diffusion }, noise && drawn);
      return answer(step, ({ x, t }) => velocity(x, t));
    });
  };
  const program = jit(steps, { name: "sample" });
  return {
    dispose: () => program.dispose(),
    async run(params, x, y, { kind, guided, noisy, rows }, { scale, interpolant, channels, noise }) {
      checkGuidance({ scale, channels }, x.shape[1]);
      const count = tf.scalar(rows.length, "int32");
      const inputs: Inputs = { params, x, y, table: tableOf(rows), count, scale: tf.scalar(scale) };
      if (noisy) {
        const still = tf.zeros(x.shape);
        const drawn = rows.map((row) => (noiseOf(kind, row) > 0 ? noise() : still));
        while (drawn.length < NOISY_STEPS) drawn.push(still);
        inputs.noise = tf.stack(drawn);
      }
      return program(inputs, kind, guided, interpolant, guided ? (channels ?? x.shape[1]) : undefined);
    },
  };
}
