/**
 * Self-Transcendence (Sun et al., arXiv 2601.07773): two trainings, no encoder. In the first an early block learns to
 * predict the clean latents. The network that comes of it is frozen, and in the second a new student's block learns its
 * features, led away from what they are without a condition, as classifier-free guidance leads samples.
 */
import { velocityTarget } from "../diffusion/interpolants.ts";
import type { Condition } from "../models/network.ts";
import { patchesOf } from "../nn/embeddings.ts";
import { modulatedLayerNorm } from "../nn/fused.ts";
import { linearShapes } from "../nn/init.ts";
import { linear, siluLayers } from "../nn/layers.ts";
import { atLeast0, count, oneOf, share, z } from "../schema.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { flattenTree } from "../tensor/tree.ts";
import { addedLayers, blockFault, type Fault, type Method, type Setting, weight } from "./method.ts";

const time = share("A time, from 0 (data) to 1 (noise).");
const common = {
  weight,
  headWidth: count("Width inside the head. The reference uses 2048."),
  times: z
    .tuple([time, time], "two times")
    .readonly()
    .describe("The first and the last time of an input that the loss looks at; at others it is 0."),
};

export const latentGuidanceConfig = z.strictObject({
  method: z.literal("self-transcendence-1"),
  ...common,
  block: count("The student's block that is aligned, counted from 1. The reference: a sixth of the depth."),
  target: oneOf(
    ["latent", "velocity"],
    "What it learns to predict: the clean latents, as the paper has it, or the velocity, as the released code has it.",
  ),
});
export type LatentGuidanceConfig = z.infer<typeof latentGuidanceConfig>;

export const selfTranscendenceConfig = z.strictObject({
  method: z.literal("self-transcendence"),
  ...common,
  studentBlock: count("Block m of the student, counted from 1."),
  teacherBlock: count("Block n of the frozen teacher, counted from 1. The teacher runs no further."),
  guidance: atLeast0(
    "w, how far the teacher's features are led: F = F_u + w (F_c - F_u), with its class or caption and without.",
  ),
});
export type SelfTranscendenceConfig = z.infer<typeof selfTranscendenceConfig>;

/** What is wrong with the times of a method, or with the process that has none. */
function timesFaults(
  { times: [first, last] }: { times: readonly [number, number] },
  setting: Setting,
): Fault[] {
  const faults: Fault[] = [];
  if (setting.process.config.type !== "interpolant")
    faults.push(["method", "one that needs no times from 0 to 1, which a process in steps has none of"]);
  if (first > last) faults.push(["times", "the first time and then the last"]);
  return faults;
}

/** The mean squared difference of tokens [B,T,D], which is 0 where the input's time [B], or the token's [B,T], is not within. */
function meanSquareWithin(
  [first, last]: readonly [number, number],
  t: Tensor,
  student: Tensor,
  target: Tensor,
): Tensor {
  const within = tf.cast(tf.logicalAnd(tf.greaterEqual(t, first), tf.lessEqual(t, last)), "float32");
  const each = tf.reshape(within, [t.shape[0], t.shape[1] ?? 1, 1]);
  return tf.mean(tf.mul(tf.squaredDifference(student, target), each));
}

/** D -> inner, SiLU, inner -> inner, SiLU, inner -> D, under the published names. */
const PROJECTOR = ["projectors.0", "projectors.2", "projectors.4"];
const projectorShapes = (width: number, inner: number): Record<string, number[]> =>
  linearShapes(PROJECTOR, [width, inner, inner, width]);

/** What turns tokens into the numbers of their patches, after a normalization without parameters. */
const FINAL = "projectors_final.linear";

function patchHead(params: Params, features: Tensor): Tensor {
  const projected = siluLayers(params, PROJECTOR, features);
  const [batch, , width] = projected.shape;
  const none = tf.zeros([batch, 1, width!]);
  return linear(params, FINAL, modulatedLayerNorm(projected, none, none));
}

/** The first stage: the mean squared difference of the head's output from the patches of the target. */
export function latentGuidance(config: LatentGuidanceConfig, setting: Setting): Method {
  const { block, headWidth, target, times } = config;
  const { network, process } = setting;
  const [channels, height, width] = network.input;
  const patch = Math.sqrt((height * width) / network.tokens);
  return {
    name: "self-transcendence-1",
    weight: config.weight,
    faults: [...blockFault("block", block, network), ...timesFaults(config, setting)],
    taps: [block],
    parameters: addedLayers({
      ...projectorShapes(network.width, headWidth),
      ...linearShapes([FINAL], [network.width, channels * patch ** 2]),
    }),
    loss({ params, features: [features], batch }) {
      const { x, noise, t } = batch;
      // In steps there is no velocity; such a process is refused before.
      const path = process.config.type === "interpolant" ? process.config.path : "linear";
      const image = target === "latent" ? x : velocityTarget(path, x, noise, t);
      return meanSquareWithin(times, t, patchHead(params, features), patchesOf(image, patch));
    },
    describe: () => ({ block, target, times: times.join(" to ") }),
  };
}

/**
 * The second stage: the mean squared difference of the student's block, through a projector, from the guided features of the
 * frozen teacher, which sees the student's input at its times. The teacher is told all conditions, those that are dropped
 * for the student too, as released. One that is told nothing has no guidance, and its features are the target as they are.
 */
export function selfTranscendence(config: SelfTranscendenceConfig, setting: Setting): Method {
  const { studentBlock, teacherBlock, guidance, headWidth, times } = config;
  const { network, process } = setting;
  return {
    name: "self-transcendence",
    weight: config.weight,
    faults: [
      ...blockFault("studentBlock", studentBlock, network),
      ...blockFault("teacherBlock", teacherBlock, network),
      ...timesFaults(config, setting),
    ],
    taps: [studentBlock],
    parameters: addedLayers(projectorShapes(network.width, headWidth)),
    frozenTeacher: true,
    targets({ frozen, batch, sight: { t, ...attention } }) {
      const input = process.noised(batch);
      const featuresOf = (condition: Condition): Tensor =>
        network.features(frozen!, input, t, condition, { taps: [teacherBlock], ...attention })[0];
      const told = featuresOf(batch.condition);
      if (flattenTree(batch.condition).length === 0) return [told];
      const untold = featuresOf(network.nullCondition(t.shape[0], frozen));
      return [tf.add(untold, tf.mul(tf.sub(told, untold), guidance))];
    },
    loss: ({ params, features: [features], targets: [target], batch }) =>
      meanSquareWithin(times, batch.t, siluLayers(params, PROJECTOR, features), target),
    describe: () => ({
      "student block m": studentBlock,
      "teacher block n": teacherBlock,
      "guidance w": guidance,
      times: times.join(" to "),
    }),
  };
}
