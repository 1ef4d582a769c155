/** Samplers as loops of one compiled program: nothing comes back to JavaScript between steps. */
import type { InterpolantName } from "../diffusion/interpolants.ts";
import { jit, loop } from "../jit/index.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { advance, checkSteps, heunAdvance, timeSteps } from "./euler.ts";
import { sdeAdvance, sdeSteps } from "./euler-maruyama.ts";
import { type Guidance, guide, guidesAt, type VelocityModel, withNullClass } from "./guidance.ts";

export const SAMPLERS = ["euler", "heun", "euler-maruyama"] as const;
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
const COLUMNS = 4;

/** A sampler's steps in runs. Guidance switches by the time at which a step begins. */
export function plan(sampler: SamplerName, steps: number, guidance?: Guidance): Segment[] {
  const segments: Segment[] = [];
  for (const { kind, row } of stepsOf(sampler, steps)) {
    const guided = guidesAt(guidance, row[0]);
    const last = segments.at(-1);
    const full = kind === "euler-maruyama" && last?.rows.length === NOISY_STEPS;
    if (last?.kind === kind && last.guided === guided && !full) last.rows.push(row);
    else segments.push({ kind, guided, rows: [row] });
  }
  return segments;
}

function stepsOf(sampler: SamplerName, steps: number): { kind: SamplerName; row: number[] }[] {
  if (sampler === "euler-maruyama")
    return sdeSteps(steps).map(({ t, dt, pull, spread }) => ({ kind: sampler, row: [t, dt, pull, spread] }));
  if (sampler !== "euler" && sampler !== "heun")
    throw new Error(`unknown sampler '${sampler}'; expected one of ${SAMPLERS.join(", ")}`);
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
  noise: () => Tensor;
}

/** One sampler for a network; the programs are compiled when they are first needed. */
export function compiledSampler(
  model: (params: Params) => VelocityModel<Tensor>,
  nullClass: number,
): CompiledSampler {
  interface Inputs {
    params: Params;
    x: Tensor;
    y: Tensor;
    /** Numbers of the steps [capacity, 4], and how many there are. */
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
  ): Tensor => {
    const network = model(params);
    const size = x.shape[0];
    const ids = guided ? withNullClass(y, nullClass) : y;
    const velocity = (x: Tensor, t: Tensor): Tensor => {
      const times = tf.mul(tf.ones(ids.shape), t);
      if (!guided) return network(x, times, ids);
      return guide(network(tf.concat([x, x]), times, ids), scale);
    };
    return loop(count, x, (x, index) => {
      const [t, dt, third, fourth] = tf.unstack(tf.gather(table, index as never)) as Tensor[];
      const first = velocity(x, t);
      if (kind === "euler") return advance(x, first, dt);
      if (kind === "heun") return heunAdvance(x, first, velocity(advance(x, first, dt), third), dt);
      const step = { t, dt, pull: third, spread: fourth };
      return sdeAdvance(
        x,
        first,
        step,
        interpolant,
        tf.reshape(tf.gather(noise!, index as never), [size, ...x.shape.slice(1)]),
      );
    });
  };
  const program = jit(steps, { name: "sample" });
  return {
    dispose: () => program.dispose(),
    run(params, x, y, { kind, guided, rows }, { scale, interpolant, noise }) {
      const count = tf.scalar(rows.length, "int32");
      const inputs: Inputs = { params, x, y, table: tableOf(rows), count, scale: tf.scalar(scale) };
      if (kind === "euler-maruyama") {
        const still = tf.zeros(x.shape);
        const drawn = rows.map((row) => (row[3] > 0 ? noise() : still));
        while (drawn.length < NOISY_STEPS) drawn.push(still);
        inputs.noise = tf.stack(drawn);
      }
      return program(inputs, kind, guided, interpolant);
    },
  };
}
