/** A rank that sums, receives and compares, and says what it got. */
import { checkAgreement } from "../../lib/distributed/communicator.ts";
import { launchOf } from "../../lib/distributed/launch.ts";
import { joinMpi } from "../../lib/distributed/mpi.ts";
import { shareTensors, sumTensors } from "../../lib/distributed/tensors.ts";
import { fingerprint } from "../../lib/fingerprint.ts";
import { ownTensor } from "../../lib/jit/buffers.ts";
import { randomStream } from "../../lib/tensor/random.ts";
import { type Tensor, tf } from "../../lib/tensor/tf.ts";

const ranks = joinMpi(launchOf()!);
const { rank, size, engine } = ranks;
const given = (of: number) => Float32Array.from(randomStream(1, "numbers", of).normals(100_003));
const numbers = given(rank);
await ranks.sum(numbers);
const all = Array.from({ length: size }, (_, of) => given(of));
const error = numbers.reduce(
  (most, sum, i) => Math.max(most, Math.abs(sum - all.reduce((total, one) => total + one[i], 0))),
  0,
);
const doubles = Float64Array.of(rank + 1, 2 ** 40 * rank);
await ranks.sum(doubles);
// On rank 1 alone.
const gathered = Float64Array.of(rank + 1);
await ranks.sum(gathered, 1);
const told = Float64Array.of(rank + 0.1, rank);
await ranks.broadcast(told.subarray(0, 1));
await ranks.broadcast(told.subarray(1), 2);
await checkAgreement(ranks, "config", "the same");
const other = await checkAgreement(ranks, "config", rank > 0 && rank !== 2 ? "another" : "one").then(
  () => "agreed",
  (error: Error) => error.message,
);

// Large and small tensors, which lie elsewhere on each rank.
const made = rank === 1 ? (n: Float32Array<ArrayBuffer>) => ownTensor(n, [n.length]) : tf.tensor1d;
const tensors: Record<string, Tensor> = Object.fromEntries(
  [3, 70_000, 5].map((length, i) => [`${i}`, made(new Float32Array(length).fill(rank + i))]),
);
await sumTensors(ranks, tensors, { names: ["0", "1", "absent"], to: 1 });
await shareTensors(ranks, tensors, { names: ["absent", "0", "1", "2"], from: 1 });
const means = await Promise.all(
  Object.values(tensors).map(async (tensor) => {
    const values = (await tensor.data()) as Float32Array;
    return values.every((value) => value === values[0]) ? values[0] : Number.NaN;
  }),
);
await ranks.close();
const bits = fingerprint([numbers]);
const kept = rank === 1 ? [...gathered] : [];
console.log(
  JSON.stringify({
    rank,
    size,
    engine,
    bits,
    error,
    doubles: [...doubles, ...kept],
    told: [...told],
    other,
    means,
  }),
);
