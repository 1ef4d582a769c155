/** Samplers step by step, on any function that says what a network would. */
import { estimates, type ProcessConfig, SIT_PROCESS } from "../diffusion/index.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { newcomers, within } from "./own.ts";
import { planSteps, type SamplerSchedule, samplerFor, samplerName } from "./plan.ts";
import type { SamplerState } from "./sampler.ts";
import type { SamplerChoice, SamplerSettings } from "./samplers.ts";

/**
 * What a network says of a batch x [B,C,H,W] at one time t of a SiT, or one of a DiT's steps: the velocity of an
 * interpolant; noise or data, and maybe a variance, of a Gaussian process. `stepTime` is the time at which the sampler's
 * current step began, of a DiT the share t / T of its steps: guidance is switched by it and not by `t`, as in the
 * reference (they differ within a step of Heun). Samplers dispose x, and the tensor that comes back unless it was there
 * before the call or is kept (`tf.keep`), once the step has no more use for them.
 */
export type Predict<V = Tensor | Promise<Tensor>> = (x: Tensor, t: number, stepTime: number) => V;

/** Where a sampler is. The tensors belong to whoever is told, unless the callback throws. */
export interface Sampled {
  /** After the step [B,C,H,W]. */
  x: Tensor;
  /** The data as they were predicted when the step began, of the same shape. */
  denoised: Tensor;
}

export interface SampleOptions extends SamplerSchedule {
  /** What the predictions are of. Default: SiT's, a velocity on the linear path. */
  process?: ProcessConfig;
  /** Standard normal noise of x's shape for a step, counted from 0, of samplers that draw it. */
  noise?: (index: number, shape: number[]) => Tensor;
  /** Clamp the predicted data to [-1, 1]: for pixels, not for latents. */
  clip?: boolean;
  /** Called after each step with the number of steps done, and with where the sampler is. */
  onStep?: (done: number, total: number, sampled: Sampled) => void;
}

const COMMON = Object.keys({
  steps: true,
  grid: true,
  process: true,
  noise: true,
  clip: true,
  onStep: true,
} satisfies Record<keyof SampleOptions, true>);

function checkNoise(noise: Tensor, step: number, { shape }: Tensor): Tensor {
  if (`${noise.shape}` === `${shape}`) return noise;
  throw new Error(`the noise of step ${step} must be [${shape}], as x is, got [${noise.shape}]`);
}

type Questions = Generator<Parameters<Predict>, Tensor, Tensor>;

/** The questions of all steps. What a step made goes when the next has no use for it, and all of it where one fails. */
function* questions(sampler: SamplerChoice, x: Tensor, options: SampleOptions & SamplerSettings): Questions {
  const { process = SIT_PROCESS, noise, clip, onStep } = options;
  const planned = planSteps(sampler, process, options, COMMON);
  if (!noise && planned.some(({ numbers }) => numbers.noise))
    throw new Error(`sampler '${samplerName(sampler)}' draws noise; expected the option noise, got none`);
  const { start, step } = samplerFor(sampler, process);
  let made: Tensor[] = [];
  let told: Tensor[] = [];
  let result: Tensor | undefined;
  try {
    let state: SamplerState = start ? within(made, () => start(x)) : { x };
    for (const [i, { numbers, begins }] of planned.entries()) {
      let isNew = newcomers();
      const own = (tensor: Tensor): Tensor => {
        if (isNew(tensor)) made.push(tensor);
        return tensor;
      };
      const z = numbers.noise && noise ? checkNoise(own(noise(i, x.shape)), i, x) : undefined;
      const asking = step(state, numbers, z);
      let asked = within(made, () => asking.next());
      let denoised: Tensor | undefined;
      while (!asked.done) {
        const question = asked.value;
        isNew = newcomers();
        const output = own(yield [question.x, question.at.t as number, begins]);
        const estimated = within(made, () => estimates(process, output, question.x, question.at, clip));
        if (onStep && !denoised) {
          denoised = tf.clone(within(made, () => estimated.data()));
          told.push(denoised);
        }
        asked = within(made, () => asking.next(estimated));
      }
      state = asked.value;
      const needed = new Set(Object.values(state));
      for (const tensor of made) if (!needed.has(tensor) && !tensor.kept) tensor.dispose();
      made = made.filter((tensor) => needed.has(tensor));
      if (!onStep || !denoised) continue;
      const here = tf.clone(state.x);
      told.push(here);
      onStep(i + 1, planned.length, { x: here, denoised });
      told = [];
    }
    result = state.x;
    return result;
  } finally {
    for (const tensor of [...made, ...told]) if (tensor !== result && !tensor.kept) tensor.dispose();
  }
}

/**
 * Runs a sampler on a function that may be asynchronous.
 * @param x noise [B,C,H,W], with which the first step begins; it stays the caller's
 * @returns data of the same shape
 * @throws on options that mean nothing, before anything is asked.
 */
export async function sample(
  sampler: SamplerChoice,
  predict: Predict,
  x: Tensor,
  options: SampleOptions & SamplerSettings,
): Promise<Tensor> {
  const asking = questions(sampler, x, options);
  try {
    let asked = asking.next();
    while (!asked.done) asked = asking.next(await predict(...asked.value));
    return asked.value;
  } finally {
    leave(asking);
  }
}

/** Ends questions that nobody answers any more: what they hold goes. */
const leave = (asking: Questions): void => void asking.return(undefined as unknown as Tensor);

/** The same for a function without promises: in one that `jit` compiles, its steps follow one another in the graph. */
export function sampleSync(
  sampler: SamplerChoice,
  predict: Predict<Tensor>,
  x: Tensor,
  options: SampleOptions & SamplerSettings,
): Tensor {
  const asking = questions(sampler, x, options);
  try {
    let asked = asking.next();
    while (!asked.done) {
      const said: unknown = predict(...asked.value);
      if (said instanceof Promise) {
        said.catch(() => {}); // what it would say is not asked for any more
        throw new TypeError(
          "sampleSync was given a function that returns a promise; expected a tensor, or sample",
        );
      }
      asked = asking.next(said as Tensor);
    }
    return asked.value;
  } finally {
    leave(asking);
  }
}
