/**
 * A sampler is one definition, whoever answers it: it asks for the velocity at an x and a time, and goes on with the
 * answer. The network may be called step by step, with or without promises, or be part of one compiled loop.
 */
import type { Tensor } from "../tensor/tf.ts";

/**
 * The velocity of a batch x at one time; of a DiT, what the network says of it at one of its steps. `stepTime` is the time
 * at which the sampler's current step began, of a DiT the share t / T of its steps: guidance is switched by it and not by
 * `t`, as in the reference (they differ within a step of Heun).
 */
export type Velocity<V = Tensor | Promise<Tensor>> = (x: Tensor, t: number, stepTime: number) => V;

export interface SamplerOptions {
  /** Number of steps, at least 1. */
  steps: number;
  /** Called after each step with the number of steps done. */
  onStep?: (done: number, total: number) => void;
}

/** What a step asks for: the velocity of x at t. Its numbers are plain ones, or tensors within a compiled loop. */
export interface Question<N = number> {
  x: Tensor;
  t: N;
}

/** One step: its questions, then the next x. */
export type Step<N = number> = Generator<Question<N>, Tensor, Tensor>;

/** A whole sampler from some x. */
export interface Sampler<S> {
  /** The numbers of each step. */
  steps: readonly S[];
  /** The time at which a step begins, of a DiT the share of its steps. */
  begins: (numbers: S) => number;
  step: (x: Tensor, numbers: S, index: number) => Step;
}

type Questions = Generator<Parameters<Velocity>, Tensor, Tensor>;

/** The questions of all steps. */
function* questions<S>(
  { steps, begins, step }: Sampler<S>,
  x: Tensor,
  onStep?: SamplerOptions["onStep"],
): Questions {
  for (const [i, numbers] of steps.entries()) {
    const asking = step(x, numbers, i);
    let asked = asking.next();
    while (!asked.done) asked = asking.next(yield [asked.value.x, asked.value.t, begins(numbers)]);
    x = asked.value;
    onStep?.(i + 1, steps.length);
  }
  return x;
}

/** The outcome of questions that are answered at once. */
export function answer<Q>(asking: Generator<Q, Tensor, Tensor>, velocity: (question: Q) => Tensor): Tensor {
  let asked = asking.next();
  while (!asked.done) {
    const value = velocity(asked.value);
    if (value instanceof Promise) {
      value.catch(() => {}); // what it would say is not asked for any more
      throw new TypeError(
        "a sampler's velocity returned a promise; expected a tensor, or a sampler without Sync",
      );
    }
    asked = asking.next(value);
  }
  return asked.value;
}

/** Runs a sampler on a velocity that may be asynchronous. */
export async function sampled<S>(
  sampler: Sampler<S>,
  velocity: Velocity,
  x: Tensor,
  onStep?: SamplerOptions["onStep"],
): Promise<Tensor> {
  const asking = questions(sampler, x, onStep);
  let asked = asking.next();
  while (!asked.done) asked = asking.next(await velocity(...asked.value));
  return asked.value;
}

/** Runs a sampler on a velocity without promises, as within a function that `jit` compiles. */
export const sampledSync = <S>(
  sampler: Sampler<S>,
  velocity: Velocity<Tensor>,
  x: Tensor,
  onStep?: SamplerOptions["onStep"],
): Tensor => answer(questions(sampler, x, onStep), (question) => velocity(...question));

export function checkSteps(steps: number, least = 1): void {
  if (!Number.isInteger(steps) || steps < least) {
    throw new RangeError(`sampler steps must be an integer of at least ${least}, got ${steps}`);
  }
}
