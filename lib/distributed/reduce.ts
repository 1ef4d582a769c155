/** The sums of all ranks in the place of each rank's own: gradients, losses, and who wants to stop. */
import { ownNumbers } from "../jit/buffers.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Gradients } from "../train/losses.ts";
import type { Communicator } from "./communicator.ts";

/** Arrays from this size on are summed where they lie; smaller ones travel together. Numbers. */
const LARGE = 2 ** 16;
/** The most numbers that travel together. */
const BUCKET = 2 ** 20;

export interface Reducer {
  /** Replaces a rank's sums by those of all ranks. */
  reduce(sum: Gradients): Promise<void>;
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
    async reduce(sum) {
      const said = new Float64Array(ranks.size + 1);
      said[ranks.rank] = (await sum.losses.generative.data())[0];
      said[ranks.size] = Number(this.wantsToStop);
      await ranks.sum(said);
      losses.set(said.subarray(0, ranks.size));
      stops = said[ranks.size] > 0;
      await sumTensors(ranks, sum.gradients, onNote);
      await sumTensors(ranks, sum.losses, onNote);
    },
  };
}

/** A tensor's place among those that travel together. */
interface Passenger {
  name: string;
  tensor: Tensor;
  /** Where its sum goes; a tensor that lies elsewhere is replaced. */
  place?: Float32Array;
}

/** Sums the tensors of a record over all ranks, in its order, which is the same everywhere. */
async function sumTensors(
  ranks: Communicator,
  tensors: Record<string, Tensor>,
  onNote?: (note: string) => void,
): Promise<void> {
  const summed = await ranks.sumOnDevices?.(Object.values(tensors), onNote);
  let bucket: Passenger[] = [];
  let filled = 0;
  const leave = async (): Promise<void> => {
    if (bucket.length > 0) await sumTogether(ranks, tensors, bucket, filled);
    bucket = [];
    filled = 0;
  };
  for (const [name, tensor] of Object.entries(tensors)) {
    if (summed?.has(tensor)) continue;
    const place = ownNumbers(tensor) as Float32Array<ArrayBuffer> | undefined;
    if (place && tensor.size >= LARGE) await ranks.sum(place);
    else {
      if (filled + tensor.size > BUCKET) await leave();
      bucket.push({ name, tensor, ...(place && { place }) });
      filled += tensor.size;
    }
  }
  await leave();
}

async function sumTogether(
  ranks: Communicator,
  tensors: Record<string, Tensor>,
  bucket: readonly Passenger[],
  size: number,
): Promise<void> {
  const numbers = new Float32Array(size);
  let at = 0;
  for (const { tensor, place } of bucket) {
    numbers.set(place ?? ((await tensor.data()) as Float32Array), at);
    at += tensor.size;
  }
  await ranks.sum(numbers);
  at = 0;
  for (const { name, tensor, place } of bucket) {
    const sums = numbers.subarray(at, at + tensor.size);
    at += tensor.size;
    if (place) place.set(sums);
    else {
      tensors[name] = tf.tensor(sums.slice(), tensor.shape);
      tensor.dispose();
    }
  }
}
