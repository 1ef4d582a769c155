/** The sums of all ranks in the place of each rank's own: gradients, losses, and who wants to stop. */
import type { Gradients } from "../train/losses.ts";
import type { Communicator } from "./communicator.ts";
import { sumTensors } from "./tensors.ts";

export interface Reducer {
  /** Replaces a rank's sums by those of all ranks; with `namesOf` each rank's names of gradients, which it alone has then. */
  reduce(sum: Gradients, namesOf?: readonly (readonly string[])[]): Promise<void>;
  /** Whether this rank wants the run to stop after the step under way. */
  wantsToStop: boolean;
  /** Whether any rank wanted it when the last step was made: the same on all of them. */
  readonly stops: boolean;
  /** What the sum of each rank's generative losses was in the last step, before the others' were added. */
  readonly losses: Float64Array;
}

/** Sums over ranks; `onNote` is told why GPUs cannot do it by themselves. */
export function reducer(ranks: Communicator, onNote?: (note: string) => void): Reducer {
  const losses = new Float64Array(ranks.size);
  let stops = false;
  return {
    wantsToStop: false,
    get stops() {
      return stops;
    },
    losses,
    async reduce(sum, namesOf) {
      const said = new Float64Array(ranks.size + 1);
      said[ranks.rank] = (await sum.losses.generative.data())[0];
      said[ranks.size] = Number(this.wantsToStop);
      await ranks.sum(said);
      losses.set(said.subarray(0, ranks.size));
      stops = said[ranks.size] > 0;
      if (namesOf)
        for (const [to, names] of namesOf.entries()) await sumTensors(ranks, sum.gradients, { names, to });
      else await sumTensors(ranks, sum.gradients, { onNote });
      await sumTensors(ranks, sum.losses);
    },
  };
}
