/**
 * What a sampler is: one short definition, whoever answers it. It asks what the network says of an x at a point of the
 * path, and goes on with the answer. The network may be called step by step, with or without promises, or be part of one
 * compiled loop. A new sampler is a file that defines one, and a line in the list of `samplers.ts`; one of one's own is
 * given in the place of a name.
 */
import type { Estimates, PathPoint, ProcessConfig, ProcessPath } from "../diffusion/index.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Grid } from "./grid.ts";

/** A number of a step: a plain one, or a tensor within a compiled loop. */
export type StepNumber = number | Tensor;

/** The same record with other numbers. */
export type Lifted<T, N> = T extends number
  ? N
  : T extends object
    ? { [K in keyof T]: Lifted<T[K], N> }
    : undefined;

/** The numbers of a step by their names. Steps whose numbers have the same names can be one compiled loop. */
export type StepNumbers = {
  readonly [name: string]: number | PathPoint | undefined;
  /** Deviation of the noise that the step adds, 0 where it draws none. Absent: the sampler never draws any. */
  readonly noise?: number;
};

/** What a step starts from and makes: x, and whatever else the next one needs. */
export interface SamplerState {
  readonly x: Tensor;
  readonly [name: string]: Tensor;
}

/** What a step asks for: what the network says of x [B,C,H,W] at a point of the path. */
export interface Question {
  x: Tensor;
  at: PathPoint<StepNumber>;
}

/** One step: its questions, then the next state. */
export type SamplerStep<S extends SamplerState> = Generator<Question, S, Estimates>;

/** Where a step begins and ends, and of how many it is one. */
export interface Stretch {
  from: PathPoint;
  to: PathPoint;
  /** Where the step before began. */
  previous?: PathPoint;
  path: ProcessPath;
  steps: number;
}

/** A sampler. `Settings` are the options that it alone takes. */
export interface Sampler<
  S extends SamplerState = SamplerState,
  N extends StepNumbers = StepNumbers,
  Settings = unknown,
> {
  /** What errors call one of one's own. */
  readonly name?: string;
  /** Processes whose path it follows. Default: all. */
  readonly processes?: readonly ProcessConfig["type"][];
  /** Its times where none are asked for. Default: even ones. */
  readonly grid?: Grid;
  /** The names of its own options, and what refuses values that mean nothing. */
  readonly settings?: readonly string[];
  check?(settings: Settings): void;
  /** All that the formula of a step has in it but tensors of x's shape. */
  numbers(stretch: Stretch, settings: Settings): N;
  /** The state before the first step. Default: x alone. */
  start?(x: Tensor): S;
  /** The formula. `z` is standard normal noise of x's shape, there where `numbers.noise` is above 0. */
  step(state: S, numbers: Lifted<N, StepNumber>, z?: Tensor): SamplerStep<S>;
}

/** A sampler from its definition, which gives the types. */
export const defineSampler = <S extends SamplerState, N extends StepNumbers, Settings>(
  definition: Sampler<S, N, Settings>,
): Sampler<S, N, Settings> => definition;

/** x + scale * direction. */
export const advance = (x: Tensor, direction: Tensor, scale: StepNumber): Tensor =>
  tf.add(x, tf.mul(direction, scale));

/** a x + b y. */
export const mix = (a: StepNumber, x: Tensor, b: StepNumber, y: Tensor): Tensor =>
  tf.add(tf.mul(x, a), tf.mul(y, b));

/** x + deviation * z, where there is noise. */
export const noisy = (x: Tensor, deviation: StepNumber, z?: Tensor): Tensor =>
  z ? advance(x, z, deviation) : x;
