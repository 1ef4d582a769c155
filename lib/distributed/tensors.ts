/** Tensors that ranks exchange: large ones where they lie, small ones together. */
import { ownNumbers, ownTensor } from "../jit/buffers.ts";
import type { Tensor } from "../tensor/tf.ts";
import type { Communicator, Numbers } from "./communicator.ts";

/** Arrays from this size on are exchanged where they lie; smaller ones travel together. Numbers. */
const LARGE = 2 ** 16;
/** The most numbers that travel together. */
const BUCKET = 2 ** 20;

/** A tensor's place among those that travel together. */
interface Passenger {
  name: string;
  tensor: Tensor;
  /** Where its numbers lie; a tensor that lies elsewhere is replaced. */
  place?: Float32Array;
}

interface Exchange {
  /** Puts what comes in the place of the numbers. */
  exchange(numbers: Numbers): Promise<void>;
  /** Whether this rank's numbers go in, and whether what comes goes in their place. */
  reads: boolean;
  writes: boolean;
}

export interface SumOptions {
  names?: readonly string[];
  to?: number;
  /** Told why some ranks cannot sum on their devices where others could. */
  onNote?: (note: string) => void;
}

/**
 * Puts the sums over all ranks in the place of a record's tensors (those of `names` that it has; default: all), in an order
 * that is the same everywhere; with `to` they are on that rank alone, and the others' numbers are of no use any more.
 */
export async function sumTensors(
  ranks: Communicator,
  tensors: Record<string, Tensor>,
  { names = Object.keys(tensors), to, onNote }: SumOptions = {},
): Promise<void> {
  const summed =
    to === undefined
      ? await ranks.sumOnDevices?.(
          names.map((name) => tensors[name]),
          onNote,
        )
      : undefined;
  const left = names.filter((name) => !summed?.has(tensors[name]));
  await exchangeTensors(tensors, left, {
    exchange: (numbers) => ranks.sum(numbers, to),
    reads: true,
    writes: to === undefined || to === ranks.rank,
  });
}

/** Puts one rank's numbers in the place of everybody's, of those of `names` that the record has. */
export const shareTensors = (
  ranks: Communicator,
  tensors: Record<string, Tensor>,
  { names, from }: { names: readonly string[]; from: number },
): Promise<void> =>
  exchangeTensors(tensors, names, {
    exchange: (numbers) => ranks.broadcast(numbers, from),
    reads: from === ranks.rank,
    writes: from !== ranks.rank,
  });

async function exchangeTensors(
  tensors: Record<string, Tensor>,
  names: readonly string[],
  way: Exchange,
): Promise<void> {
  let bucket: Passenger[] = [];
  let filled = 0;
  const leave = async (): Promise<void> => {
    if (bucket.length > 0) await exchangeTogether(tensors, bucket, filled, way);
    bucket = [];
    filled = 0;
  };
  for (const name of names.filter((one) => one in tensors)) {
    const tensor = tensors[name];
    const place = ownNumbers(tensor) as Float32Array<ArrayBuffer> | undefined;
    const passenger = { name, tensor, ...(place && { place }) };
    // By sizes alone, which are the same on all ranks: where numbers lie is not.
    if (tensor.size >= LARGE) {
      if (place) await way.exchange(place);
      else await exchangeTogether(tensors, [passenger], tensor.size, way);
      continue;
    }
    if (filled + tensor.size > BUCKET) await leave();
    bucket.push(passenger);
    filled += tensor.size;
  }
  await leave();
}

async function exchangeTogether(
  tensors: Record<string, Tensor>,
  bucket: readonly Passenger[],
  size: number,
  { exchange, reads, writes }: Exchange,
): Promise<void> {
  const numbers = new Float32Array(size);
  let at = 0;
  for (const { tensor, place } of bucket) {
    if (reads) numbers.set(place ?? ((await tensor.data()) as Float32Array), at);
    at += tensor.size;
  }
  await exchange(numbers);
  if (!writes) return;
  at = 0;
  for (const { name, tensor, place } of bucket) {
    const came = numbers.subarray(at, at + tensor.size);
    at += tensor.size;
    if (place) place.set(came);
    else {
      tensors[name] = ownTensor(came.slice(), tensor.shape);
      tensor.dispose();
    }
  }
}
