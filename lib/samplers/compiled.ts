/** Samplers as loops of one compiled program: nothing comes back to JavaScript between steps. */
import {
  betaSchedule,
  type DiffusionConfig,
  gaussianDiffusion,
  respace,
  respacedTimesteps,
} from "../diffusion/gaussian.ts";
import type { InterpolantName } from "../diffusion/interpolants.ts";
import { jit, loop } from "../jit/index.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { advance, checkSteps, heunAdvance, timeSteps } from "./euler.ts";
import { sdeAdvance, sdeSteps } from "./euler-maruyama.ts";
import { type GaussianKind, type GaussianStep, gaussianAdvance, gaussianSteps } from "./gaussian.ts";
import { type Guidance, guide, guidesAt, type VelocityModel, withNullClass } from "./guidance.ts";

/** Those of a SiT, then those of a DiT. */
export const SAMPLERS = ["euler", "heun", "euler-maruyama", "ddpm", "ddim"] as const;
export type SamplerName = (typeof SAMPLERS)[number];

/** Consecutive steps of one kind: what one run of a program does. */
export interface Segment {
  kind: SamplerName;
  guided: boolean;
  /** A step's numbers: its time and how far time moves, then what its kind needs. */
  rows: number[][];
}

/** Steps of the stochastic sampler in one run: their noise is an argument. */
const NOISY_STEPS = 8;
/** Numbers of a step. */
const COLUMNS = 8;

const isNoisy = (kind: SamplerName): boolean => kind === "euler-maruyama" || kind === "ddpm";
const isGaussian = (kind: SamplerName): kind is GaussianKind => kind === "ddpm" || kind === "ddim";

/** A sampler's steps in runs. Guidance switches by the time at which a step begins. */
export function plan(
  sampler: SamplerName,
  steps: number,
  guidance?: Guidance,
  diffusion?: DiffusionConfig,
): Segment[] {
  const segments: Segment[] = [];
  for (const { kind, row } of stepsOf(sampler, steps, diffusion)) {
    const guided = guidesAt(guidance, row[0] / (diffusion?.steps ?? 1));
    const last = segments.at(-1);
    const full = isNoisy(kind) && last?.rows.length === NOISY_STEPS;
    if (last?.kind === kind && last.guided === guided && !full) last.rows.push(row);
    else segments.push({ kind, guided, rows: [row] });
  }
  return segments;
}

function stepsOf(
  sampler: SamplerName,
  steps: number,
  diffusion?: DiffusionConfig,
): { kind: SamplerName; row: number[] }[] {
  if (!SAMPLERS.includes(sampler))
    throw new Error(`unknown sampler '${sampler}'; expected one of ${SAMPLERS.join(", ")}`);
  if (isGaussian(sampler) !== (diffusion !== undefined)) {
    const [family, own] = diffusion ? ["DiT", ["ddpm", "ddim"]] : ["SiT", SAMPLERS.slice(0, 3)];
    throw new Error(`sampler '${sampler}' is not one for a ${family}; expected ${own.join(", ")}`);
  }
  if (diffusion && isGaussian(sampler)) {
    const process = gaussianDiffusion(betaSchedule(diffusion.schedule, diffusion.steps));
    checkSteps(steps);
    const taken = respace(process, respacedTimesteps(String(steps), diffusion.steps));
    return gaussianSteps(taken, sampler).map(({ t, scale, spread, mean, logVariance, noise }) => ({
      kind: sampler,
      row: [t, scale, spread, ...mean, ...logVariance, noise],
    }));
  }
  if (sampler === "euler-maruyama")
    return sdeSteps(steps).map(({ t, dt, pull, spread }) => ({ kind: sampler, row: [t, dt, pull, spread] }));
  checkSteps(steps);
  const times = timeSteps(1, 0, steps);
  return Array.from({ length: steps }, (_, i) => {
    const [t, next] = [times[i], times[i + 1]];
    // Heun's last step is one of Euler's: there is no velocity at time 0.
    return { kind: i === steps - 1 ? "euler" : sampler, row: [t, next - t, next] };
  });
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
  /** Channels that are guided; default all. */
  channels?: number;
  noise: () => Tensor;
}

/** One sampler for a network; the programs are compiled when they are first needed. */
export function compiledSampler(
  model: (params: Params) => VelocityModel<Tensor>,
  nullClass: number,
  diffusion?: DiffusionConfig,
): CompiledSampler {
  interface Inputs {
    params: Params;
    x: Tensor;
    y: Tensor;
    /** Numbers of the steps [capacity, 8], and how many there are. */
    table: Tensor;
    count: Tensor;
    scale: Tensor;
    /** Of the stochastic sampler: [steps, ...x.shape]. */
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
      const [t, dt, third, fourth, ...more] = tf.unstack(tf.gather(table, index as never)) as Tensor[];
      const first = velocity(x, t);
      const drawn = (): Tensor => tf.reshape(tf.gather(noise!, index as never), [size, ...x.shape.slice(1)]);
      if (diffusion && isGaussian(kind)) {
        const [fifth, least, most, spread] = more;
        const step: GaussianStep<Tensor> = {
          t,
          scale: dt,
          spread: third,
          mean: [fourth, fifth],
          logVariance: [least, most],
          noise: spread,
        };
        return gaussianAdvance(x, first, step, diffusion, kind, false, noise && drawn());
      }
      if (kind === "euler") return advance(x, first, dt);
      if (kind === "heun") return heunAdvance(x, first, velocity(advance(x, first, dt), third), dt);
      const step = { t, dt, pull: third, spread: fourth };
      return sdeAdvance(x, first, step, interpolant, drawn());
    });
  };
  const program = jit(steps, { name: "sample" });
  return {
    dispose: () => program.dispose(),
    run(params, x, y, { kind, guided, rows }, { scale, interpolant, channels, noise }) {
      const count = tf.scalar(rows.length, "int32");
      const inputs: Inputs = { params, x, y, table: tableOf(rows), count, scale: tf.scalar(scale) };
      if (isNoisy(kind)) {
        const still = tf.zeros(x.shape);
        const drawn = rows.map((row) => (row[kind === "ddpm" ? 7 : 3] > 0 ? noise() : still));
        while (drawn.length < NOISY_STEPS) drawn.push(still);
        inputs.noise = tf.stack(drawn);
      }
      return program(inputs, kind, guided, interpolant, guided ? channels : undefined);
    },
  };
}
