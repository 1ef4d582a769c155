/** A rank with a GPU of the stand-ins, which sums there and by MPI, and says what it got. */
import { launchOf } from "../../lib/distributed/launch.ts";
import { joinRanks } from "../../lib/distributed/rank-process.ts";
import { fingerprint } from "../../lib/fingerprint.ts";
import { jit } from "../../lib/jit/index.ts";
import { randomStream } from "../../lib/tensor/random.ts";
import { type Tensor, tf } from "../../lib/tensor/tf.ts";
import { report } from "../jit/cuda/standin/build.ts";

const { patience = 60, absent = -1 } = JSON.parse(process.argv[2]) as {
  patience?: number;
  /** A rank that does not come to the second sum. */
  absent?: number;
};
const ranks = joinRanks({ patience })!;
const { rank } = ranks;
const SIZES = [100_003, 1, 256];
const given = (of: number) =>
  SIZES.map((count, i) => Float32Array.from(randomStream(i, "numbers", of).normals(count)));
const notes: string[] = [];
let tensors: Tensor[] = [];
const say = (more: object): void => console.log(JSON.stringify({ rank, notes, ...more }));
try {
  const twice = jit((tensors: Tensor[]) => tensors.map((tensor) => tf.add(tensor, tensor) as Tensor), {
    target: "cuda",
  });
  tensors = await twice(given(rank).map((numbers) => tf.tensor1d(numbers)));
  // What was read before is read again behind the sum.
  await tensors[1].data();
  const sum = () => ranks.sumOnDevices!(tensors, (note) => notes.push(note));
  const summed = (await sum()).size;
  const got = (await Promise.all(tensors.map((tensor) => tensor.data()))) as Float32Array[];
  const byMpi = given(rank).map((numbers) => numbers.map((x) => x + x));
  for (const numbers of byMpi) await ranks.sum(numbers);
  const error = Math.max(
    ...got.map((numbers, i) => numbers.reduce((most, x, j) => Math.max(most, Math.abs(x - byMpi[i][j])), 0)),
  );
  if (rank === absent) await new Promise((resolve) => setTimeout(resolve, 60_000));
  await sum();
  const ratio = (await tensors[1].data())[0] / got[1][0];
  // An eager operation takes it from there.
  tf.neg(tensors[2]);
  const left = (await sum()).size;
  await ranks.close();
  const { device, collectives, faults } = report({ folder: process.env.DITLAB_CUDA_PATH! });
  const local = launchOf()!.localRank;
  say({ summed, error, left, bits: fingerprint(got), ratio, local, device, collectives, faults });
} catch (error) {
  // What was given up is not used again.
  const again = await ranks.sumOnDevices!(tensors).catch(({ message }: Error) => message);
  say({ error: (error as Error).message, kind: (error as Error).constructor.name, again });
}
process.exit(0);
