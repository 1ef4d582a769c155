/**
 * What an alignment method is to training: a loss beside the generative one, and all that it needs. Training, loading,
 * planning and reports know nothing else of it. A new method is a file that makes one of these, a case in
 * `methods.ts`, and a preset.
 */
import type { NoisedBatch, Process } from "../diffusion/process.ts";
import type { ApplyOptions, Condition, Network } from "../models/network.ts";
import { linearInit } from "../nn/init.ts";
import { type Schedule, schedule } from "../optim/schedules.ts";
import type { Params } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tf.ts";

/** What one training step sees. The first axis of every tensor is the batch, so that any part of it is a batch too. */
export interface Batch extends NoisedBatch {
  /** What the images are of, before any of it is dropped. */
  condition: Condition;
  /** Which samples the student is told nothing of, bool [B], for classifier-free guidance. Absent: none. */
  dropped?: Tensor;
  /** Further arrays of the images by name, such as an encoder's features [B,T,D]. */
  arrays?: Readonly<Record<string, Tensor>>;
  /** What each method drew, [B] or [B,N], by the names of its `draws`, in the order of the methods. */
  draws?: readonly Readonly<Record<string, Tensor>>[];
}

/** What a method is used with. */
export interface Setting {
  network: Network;
  process: Process;
}

/** Parameters beside the network's, such as a projection head. */
export interface AddedParameters {
  /** By published name. */
  shapes: Readonly<Record<string, number[]>>;
  init(random: RandomGenerator): Params;
  /** Whether the moving averages carry them, as published checkpoints do. */
  averaged: boolean;
}

/** Linear layers that a method adds, as SiT initializes them, averaged as the network is. */
export const addedLayers = (shapes: Record<string, number[]>): AddedParameters => ({
  shapes,
  init: (random) => linearInit(shapes, random),
  averaged: true,
});

/** How a student looks at a batch where that is not the usual way: one time for all tokens, which all see each other. */
export interface Sight extends Pick<ApplyOptions, "attentionMask" | "attentionGroups"> {
  /** Times [B], or [B,T], one for each token; each token's input and target are of its time. */
  t: Tensor;
}

/** What a method's teacher sees. */
export interface TeacherView {
  /** The moving average of all parameters. */
  teacher: Params;
  /** The frozen teacher's parameters, of a method that has one. */
  frozen?: Params;
  /** Its times are the student's. */
  batch: Batch;
  /** How the student looks at it. */
  sight: Sight;
  /** The student's condition: some of it dropped. */
  condition: Condition;
  /** What this method drew, each [B,...]. */
  draws: Readonly<Record<string, Tensor>>;
}

/** What a method's loss sees. */
export interface StudentView {
  /** The student's parameters, those that the method added among them. */
  params: Params;
  /** The student's condition: some of it dropped. */
  condition: Condition;
  /** Tokens [B,T,D] after each block of the method's `taps`. */
  features: readonly Tensor[];
  /** What `targets` returned; constants. */
  targets: readonly Tensor[];
  /** Its times are the student's. */
  batch: Batch;
  /** x_t [B,C,H,W], and what the network predicts of it, [B,outChannels,H,W]. */
  input: Tensor;
  output: Tensor;
  draws: Readonly<Record<string, Tensor>>;
}

export interface Method {
  /** Of its curve, and in errors. */
  readonly name: string;
  /** lambda, what its loss is multiplied by before it is added to the generative one. */
  readonly weight: Schedule;
  /** The student's blocks that its loss looks at, counted from 1. */
  readonly taps: readonly number[];
  readonly parameters?: AddedParameters;
  /**
   * Whether it has a frozen teacher: a network of the student's shape that was trained before and is given to the run.
   * Training neither changes nor averages it, and checkpoints keep it, so that a run goes on without the other one.
   */
  readonly frozenTeacher?: true;
  /** Arrays that the data must have of every image: the shape of one image's, by name. */
  readonly arrays?: Readonly<Record<string, readonly number[]>>;
  /** Numbers that every sample draws for it, one or a row of them, each from a stream of its own. */
  readonly draws?: Readonly<Record<string, (random: RandomGenerator) => number | ArrayLike<number>>>;
  /** Whether its loss compares samples with each other: then a batch in parts has another loss than a whole one. */
  readonly couplesSamples?: boolean;
  /** How the student looks at a batch; of one method of a task at most. Default: at the batch's times, all at all. */
  sight?(batch: Batch, draws: Readonly<Record<string, Tensor>>): Sight;
  /** What the student is drawn to, made outside of the gradient: a teacher's features. */
  targets?(view: TeacherView): Tensor[];
  /** The loss, a scalar mean over the batch. */
  loss(view: StudentView): Tensor;
  /** What of its settings does not fit the network or the process. */
  readonly faults: readonly Fault[];
  /** Its settings, for people. */
  describe(): Record<string, string | number | boolean>;
}

/** What is wrong with a field of a method's config, as `[field, what is expected]`. */
export type Fault = readonly [field: string, expected: string];

/** What all methods' configs have. */
export const weight = schedule.describe("lambda, the weight of its loss.");

/** A block that the network does not have. */
export const blockFault = (field: string, block: number, { depth }: Network): Fault[] =>
  block > depth ? [[field, `from 1 to the model's depth ${depth}`]] : [];

/** What keeps the tokens of an image from having times of their own: a process in steps, or a network of another kind. */
export function timesFault({ network, process }: Setting): Fault[] {
  if (process.config.type !== "interpolant")
    return [["method", "one whose tokens share a time, because a process in steps has one for each image"]];
  return network.uniformTokens
    ? [["method", `one whose tokens share a time and see each other, as those of the ${network.name} do`]]
    : [];
}
