/**
 * SRA, self-representation alignment (arXiv 2505.02831): the student's early block m at time t, through a projection
 * head, is drawn to the EMA teacher's later block n at the less noisy time t - k.
 */
import { type InterpolantName, interpolate, velocityTarget } from "../diffusion/interpolants.ts";
import { type SiTConfig, sit, sitFeatures } from "../models/sit.ts";
import { siluMlp } from "../nn/layers.ts";
import type { Params } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { namedScope } from "../tensor/scope.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type DistanceOptions, featureDistance } from "./distances.ts";

export interface SRAConfig extends DistanceOptions {
  /** Block m of the student, counted from 1. */
  studentBlock: number;
  /** Block n of the teacher, counted from 1. The teacher runs no further. */
  teacherBlock: number;
  /** How much less noisy the teacher's input is: a fixed k, or uniform in [min, max) for each sample. */
  interval: number | readonly [min: number, max: number];
  /** Pass the student's features through the head (`ap_head`) before comparing. */
  projectionHead: boolean;
}

/** The paper's defaults (table 5), for blocks that depend on the model. */
export const SRA_DEFAULTS = {
  interval: [0, 0.2],
  distance: "smooth-l1",
  beta: 0.05,
  projectionHead: true,
} as const satisfies Partial<SRAConfig>;

/** One training batch. All but `k` are what SiT itself trains on. */
export interface SRABatch {
  /** Clean data [B,C,H,W]. */
  x: Tensor;
  /** Standard normal noise of x's shape, the same for student and teacher. */
  noise: Tensor;
  /** Times [B] in [0, 1]. */
  t: Tensor;
  /** Intervals [B]: the teacher sees time max(t - k, 0). */
  k: Tensor;
  /** Class ids [B] int32, already dropped to the null class where they are to be; the same for student and teacher. */
  y: Tensor;
}

export interface LossOptions {
  interpolant: InterpolantName;
  /** Without it only the generative loss is computed, and no teacher runs. */
  sra?: SRAConfig;
  /** Compute the student's blocks again for the gradient: about a third more time, far less memory. */
  remat?: boolean;
}

export interface SRALosses {
  /** Mean squared velocity error of each sample [B]. */
  generative: Tensor;
  /** Alignment distance, a scalar; absent without SRA. */
  align?: Tensor;
}

/** `ap_head`: D -> 2D, SiLU, 2D -> D (paper section 3.2). */
export const projectionHead = (params: Params, features: Tensor): Tensor =>
  siluMlp(params, "ap_head", features);

/** The teacher's features [B,T,D]: its block n on the same noise and labels at time max(t - k, 0). */
export function teacherFeatures(
  teacher: Params,
  config: SiTConfig,
  { x, noise, t, k, y }: SRABatch,
  { interpolant, sra }: { interpolant: InterpolantName; sra: SRAConfig },
): Tensor {
  const earlier = tf.maximum(tf.sub(t, k), 0);
  const input = interpolate(interpolant, x, noise, earlier);
  return namedScope("teacher", () => sitFeatures(teacher, config, input, earlier, y, sra.teacherBlock));
}

/** What the student is drawn to, if it is: made outside of the gradient, it takes the faster operators. */
export const teacherTarget = (
  teacher: Params,
  config: SiTConfig,
  batch: SRABatch,
  { interpolant, sra }: LossOptions,
): Tensor | undefined => sra && teacherFeatures(teacher, config, batch, { interpolant, sra });

/**
 * The two losses of SRA (paper eq. 4 to 6) for a student, its teacher and a batch.
 * The teacher's parameters are used as constants: differentiate with respect to the student's alone. `target` are the
 * teacher's features, if they have been made already.
 */
export function sraLosses(
  student: Params,
  teacher: Params,
  config: SiTConfig,
  batch: SRABatch,
  options: LossOptions,
  target: Tensor | undefined = teacherTarget(teacher, config, batch, options),
): SRALosses {
  const { interpolant, sra, remat } = options;
  const { x, noise, t, y } = batch;
  const noised = interpolate(interpolant, x, noise, t);
  const { velocity, features } = namedScope("student", () =>
    sit(student, config, noised, t, y, sra ? [sra.studentBlock] : [], { remat }),
  );
  const generative = namedScope("generative_loss", () =>
    tf.mean(tf.squaredDifference(velocity, velocityTarget(interpolant, x, noise, t)), [1, 2, 3]),
  );
  if (!sra) return { generative };
  const align = namedScope("alignment_loss", () => {
    const projected = sra.projectionHead ? projectionHead(student, features[0]) : features[0];
    return featureDistance(projected, target!, sra);
  });
  return { generative, align };
}

/** Intervals k [count] as float32 for a batch. A fixed interval draws as many numbers as a random one. */
export function drawIntervals(
  random: RandomGenerator,
  count: number,
  interval: SRAConfig["interval"],
): Float32Array<ArrayBuffer> {
  const [min, max] = typeof interval === "number" ? [interval, interval] : interval;
  return random.uniforms(count).map((u) => min + (max - min) * u);
}

/** Replaces each label by the null class with a probability, for classifier-free guidance. */
export const dropLabels = (
  random: RandomGenerator,
  labels: ArrayLike<number>,
  probability: number,
  nullClass: number,
): Int32Array<ArrayBuffer> =>
  Int32Array.from(labels, (label) => (random.uniform() < probability ? nullClass : label));
