/**
 * SRA, self-representation alignment (arXiv 2505.02831): the student's early block m at time t, through a projection
 * head, is drawn to the EMA teacher's later block n at the less noisy time t - k.
 */
import type { InterpolantName } from "../diffusion/interpolants.ts";
import { intervalFault } from "../diffusion/levels.ts";
import { objectiveOf } from "../diffusion/objective.ts";
import { type TransformerConfig, transformer, transformerFeatures } from "../models/transformer.ts";
import { siluMlp } from "../nn/layers.ts";
import { atLeast0, count, flag, z } from "../schema.ts";
import type { Params } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { namedScope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tf.ts";
import { distanceOptions, featureDistance } from "./distances.ts";

const interval = atLeast0("How much less noisy.");

export const sraConfig = distanceOptions.extend({
  studentBlock: count("Block m of the student, counted from 1."),
  teacherBlock: count("Block n of the teacher, counted from 1. The teacher runs no further."),
  interval: z
    .union([interval, z.tuple([interval, interval]).readonly()], "a number of 0 or more, or two")
    .describe(
      "How much less noisy the teacher's input is: a fixed k, or uniform in [min, max) for each sample. A time for a SiT, a number of steps for a DiT.",
    ),
  projectionHead: flag("Pass the student's features through the head (`ap_head`) before comparing."),
});
export type SRAConfig = z.infer<typeof sraConfig>;

/** The paper's defaults for a SiT (table 5); the blocks depend on the model. A DiT's interval is [0, 200]. */
export const SRA_DEFAULTS = {
  interval: [0, 0.2],
  distance: "smooth-l1",
  beta: 0.05,
  projectionHead: true,
} as const satisfies Partial<SRAConfig>;

/** One training batch. All but `k` are what SiT and DiT themselves train on. */
export interface SRABatch {
  /** Clean data [B,C,H,W]. */
  x: Tensor;
  /** Standard normal noise of x's shape, the same for student and teacher. */
  noise: Tensor;
  /** Times [B]: in [0, 1] for a SiT, steps 0 to T-1 for a DiT, as float32. */
  t: Tensor;
  /** Intervals [B]: the teacher of a SiT sees time max(t - k, 0), that of a DiT step t - k, from 1 to T-1. */
  k: Tensor;
  /** Class ids [B] int32, already dropped to the null class where they are to be; the same for student and teacher. */
  y: Tensor;
}

export interface LossOptions {
  /** A SiT's; a DiT has a diffusion process in its config. */
  interpolant: InterpolantName;
  /** Without it only the generative loss is computed, and no teacher runs. */
  sra?: SRAConfig;
  /** Compute the student's blocks again for the gradient: about a third more time, far less memory. */
  remat?: boolean;
}

export interface SRALosses {
  /** Of each sample [B]: a SiT's mean squared velocity error, a DiT's hybrid loss. */
  generative: Tensor;
  /** Alignment distance, a scalar; absent without SRA. */
  align?: Tensor;
}

/** `ap_head`: D -> 2D, SiLU, 2D -> D (paper section 3.2). */
export const projectionHead = (params: Params, features: Tensor): Tensor =>
  siluMlp(params, "ap_head", features);

/** The teacher's features [B,T,D]: its block n on the same noise and labels at the time k before t. */
export function teacherFeatures(
  teacher: Params,
  config: TransformerConfig,
  { x, noise, t, k, y }: SRABatch,
  { interpolant, sra }: { interpolant: InterpolantName; sra: SRAConfig },
): Tensor {
  const objective = objectiveOf(config.diffusion, interpolant);
  const earlier = objective.teacherTimes(t, k);
  const input = objective.noised({ x, noise, t: earlier });
  return namedScope("teacher", () =>
    transformerFeatures(teacher, config, input, earlier, y, sra.teacherBlock),
  );
}

/** What the student is drawn to, if it is: made outside of the gradient, it takes the faster operators. */
export const teacherTarget = (
  teacher: Params,
  config: TransformerConfig,
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
  config: TransformerConfig,
  batch: SRABatch,
  options: LossOptions,
  target: Tensor | undefined = teacherTarget(teacher, config, batch, options),
): SRALosses {
  const { interpolant, sra, remat } = options;
  const objective = objectiveOf(config.diffusion, interpolant);
  const input = objective.noised(batch);
  const { output, features } = namedScope("student", () =>
    transformer(student, config, input, batch.t, batch.y, sra ? [sra.studentBlock] : [], { remat }),
  );
  const generative = namedScope("generative_loss", () => objective.loss(output, input, batch));
  if (!sra) return { generative };
  const align = namedScope("alignment_loss", () => {
    const projected = sra.projectionHead ? projectionHead(student, features[0]) : features[0];
    return featureDistance(projected, target!, sra);
  });
  return { generative, align };
}

/**
 * Intervals k [count] as float32 for a batch: times, or `whole` steps for a DiT. A fixed interval draws as many numbers as
 * a random one.
 * @throws on steps for a SiT, and on times for a DiT.
 */
export function drawIntervals(
  random: RandomGenerator,
  count: number,
  interval: SRAConfig["interval"],
  whole = false,
): Float32Array<ArrayBuffer> {
  const fault = intervalFault(interval, whole ? Number.POSITIVE_INFINITY : undefined);
  if (fault) throw new RangeError(`interval must be ${fault}, got [${interval}]`);
  const [min, max] = typeof interval === "number" ? [interval, interval] : interval;
  const intervals = random.uniforms(count).map((u) => min + (max - min) * u);
  return whole ? intervals.map(Math.floor) : intervals;
}

/** Replaces each label by the null class with a probability, for classifier-free guidance. */
export const dropLabels = (
  random: RandomGenerator,
  labels: ArrayLike<number>,
  probability: number,
  nullClass: number,
): Int32Array<ArrayBuffer> =>
  Int32Array.from(labels, (label) => (random.uniform() < probability ? nullClass : label));
