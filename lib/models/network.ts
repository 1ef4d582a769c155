/**
 * The one thing that samplers, probes, alignment methods and training know of a network. A new architecture is a file
 * that makes one of these, and `make.ts` makes it of its config.
 */
import type { TokenGroups } from "../nn/token-groups.ts";
import { checkParams, type Params } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tf.ts";
import type { Tree } from "../tensor/tree.ts";

/** What an image is to be of, as a tree of tensors whose first axis is the batch; empty where a network takes nothing. */
export type Condition = { readonly [name: string]: Tree };

export interface ApplyOptions {
  /** Blocks whose output tokens are wanted, counted from 1. */
  taps?: readonly number[];
  /**
   * Which tokens a token may attend to, bool [B or 1, T, T] (query, key). Each row must have a true: a token whose row is
   * all false silently gets the plain mean over all tokens, for what is compiled cannot look. Default: all of them.
   */
  attentionMask?: Tensor;
  /** Groups of tokens that attend to their own group alone: what a mask would say, for less. */
  attentionGroups?: TokenGroups;
  /** Of each block keep only its input for the gradient, and compute the block again there: memory for time. */
  remat?: boolean;
}

export interface NetworkOutput {
  /** What the network predicts, [B,outChannels,H,W]. */
  output: Tensor;
  /** Tokens [B,T,D] after each tapped block, in the order of `taps`. */
  taps: Tensor[];
}

export interface Network {
  /** In errors, for example `transformer (depth 3, width 20)`. */
  readonly name: string;
  /** Of one input: channels, height, width. */
  readonly input: readonly [channels: number, height: number, width: number];
  readonly outChannels: number;
  readonly depth: number;
  /** Width D of the tokens. */
  readonly width: number;
  /** Tokens T of an input. */
  readonly tokens: number;
  /** Numbers of a sample's largest activation: what decides how many samples are best computed at a time. */
  readonly activation: number;
  /** Classes that its condition `y` may name; 0 where it knows none. */
  readonly classes: number;
  /** Set where all tokens of an input have one time and see each other, whatever `apply` is given. */
  readonly uniformTokens?: true;
  /** The shape of every parameter by its published name, in the published order. */
  readonly shapes: Readonly<Record<string, number[]>>;
  /** Random parameters, as published code initializes them. */
  init(random: RandomGenerator): Params;
  /** Whether training changes a parameter: fixed tables are none of its business. */
  trainable(name: string): boolean;
  /** x [B,C,H,W] at times t, one for a sample [B] or one for a token [B,T]. */
  apply(params: Params, x: Tensor, t: Tensor, condition: Condition, options?: ApplyOptions): NetworkOutput;
  /** The tapped tokens alone, running no further than the deepest of them: what a teacher computes. */
  features(
    params: Params,
    x: Tensor,
    t: Tensor,
    condition: Condition,
    options: ApplyOptions & { taps: readonly number[] },
  ): Tensor[];
  /**
   * The attention of a block (from 1) among the image's tokens, made of the tokens [B,T,D] that enter it, those after the
   * block before: queries and keys, each [B,heads,T,size].
   */
  queriesAndKeys?(params: Params, block: number, tokens: Tensor, t: Tensor, condition: Condition): Tensor[];
  /** Heads of its attention, where that can be looked at. */
  readonly heads?: number;
  /** Arrays that the data must have of every image for its condition, beside labels: the shape of one image's, by name. */
  readonly arrays?: Readonly<Record<string, readonly number[]>>;
  /** The condition of images by what the data know of them: labels [B] int32, and arrays [B,...] by name. */
  conditionOf(labels: Tensor, arrays: Readonly<Record<string, Tensor>>): Condition;
  /**
   * The condition that says nothing, `count` times: what guidance is measured from. Some networks keep it with their
   * parameters; without those it is one of the right shapes.
   */
  nullCondition(count: number, params?: Params): Condition;
  /** Of arrays of the data the parameter that holds what they are where there is nothing to say, by name. */
  readonly nothing?: Readonly<Record<string, string>>;
  /** Parameters that are not learned, which a file of weights may lack, and what they are then. */
  readonly fixed?: Readonly<Record<string, () => Tensor>>;
}

/** Checks that parameters fit a network; throws one error that lists what is missing, unexpected and mis-shaped. */
export const checkNetworkParams = (params: Params, { shapes, name }: Network): void =>
  checkParams(params, shapes, name);
