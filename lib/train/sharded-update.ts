/** The update of a run whose optimizer is in shards: each rank's own parameters, which it gives to the others. */
import { shareTensors } from "../distributed/tensors.ts";
import { jit } from "../jit/index.ts";
import { squaresOf } from "../optim/clip.ts";
import { updateEma } from "../optim/ema.ts";
import { isTaken, type LossScale } from "../optim/loss-scale.ts";
import type { Params } from "../tensor/params.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { tidyTree } from "../tensor/tree.ts";
import type { Gradients } from "./losses.ts";
import { ownPart, type Shards } from "./shards.ts";
import {
  applyGradients,
  type StepOptions,
  type StepResult,
  type StepScalars,
  type TrainState,
} from "./step.ts";

/** The moving average's decay in a step: none where the step is skipped. */
const takenDecay = (decay: Tensor, squares: Tensor, lossScale: LossScale): Tensor =>
  tidyTree(() => tf.where(isTaken(tf.sum(squares), lossScale), decay, 1));

/**
 * The update by the sums of gradients, of which this rank has those of its own parameters. Its numbers are those of an update
 * that is not in shards: the norm of all gradients is the same sum of each tensor's squares.
 */
export function compileShardedUpdate(options: StepOptions & { parts: number }, shards: Shards) {
  const { ranks, names, trained, keepsAverage } = shards;
  /** What each rank gives to the others: all that changes. */
  const given = names.map((own) => own.filter((name) => trained.includes(name)));
  const squares = jit((gradients: Params) => tidyTree(() => squaresOf(Object.values(gradients))), {
    name: "gradientSquares",
  });
  const apply = jit(
    (state: TrainState, sum: Gradients, scalars: StepScalars, squares: Tensor): StepResult =>
      applyGradients(state, sum, scalars, { ...options, squares }),
    { name: "applyGradients", donate: [0, 1] },
  );
  const average = jit(
    (ema: Params, params: Params, decay: Tensor): Params => tidyTree(() => updateEma(ema, params, decay)),
    { name: "updateAverage", donate: [0] },
  );
  const decayOf = jit(takenDecay, { name: "averageDecay" });

  /** The sum of squares of each trained parameter's gradient, in their order, on every rank. */
  async function allSquares(own: Params): Promise<Tensor> {
    const found = new Map<string, number>();
    if (Object.keys(own).length > 0) {
      const sums = await squares(own);
      const numbers = await sums.data();
      for (const [i, name] of Object.keys(own).entries()) found.set(name, numbers[i]);
      sums.dispose();
    }
    // Of each all but one rank's are 0, which leaves it as it is.
    const all = Float32Array.from(trained, (name) => found.get(name) ?? 0);
    await ranks.sum(all);
    return tf.tensor1d(all);
  }

  async function update(state: TrainState, sum: Gradients, scalars: StepScalars): Promise<StepResult> {
    const gradients = ownPart(sum.gradients, shards);
    for (const [name, tensor] of Object.entries(sum.gradients)) if (!(name in gradients)) tensor.dispose();
    const norms = await allSquares(gradients);
    const { params, ema, frozen, ...rest } = state;
    const { lossScale } = state;
    const skipping = keepsAverage && lossScale;
    const decay = skipping ? await decayOf(scalars.emaDecay, norms, lossScale) : scalars.emaDecay;
    const own = { ...rest, params: ownPart(params, shards), ema: keepsAverage ? {} : ema };
    const result = await apply(own, { losses: sum.losses, gradients }, scalars, norms);
    const next: Params = { ...params, ...result.state.params };
    for (const [from, owned] of given.entries()) await shareTensors(ranks, next, { names: owned, from });
    const whole = keepsAverage ? await average(ema, next, decay) : result.state.ema;
    norms.dispose();
    if (skipping) decay.dispose();
    return {
      metrics: result.metrics,
      state: { ...result.state, params: next, ema: whole, ...(frozen && { frozen }) },
    };
  }
  return Object.assign(update, {
    stats: apply.stats,
    dispose: async (): Promise<void> => {
      await Promise.all([squares, apply, average, decayOf].map((program) => program.dispose()));
    },
  });
}
