/** A rank that sums, receives and compares, and says what it got. */
import { checkAgreement } from "../../lib/distributed/communicator.ts";
import { launchOf } from "../../lib/distributed/launch.ts";
import { joinMpi } from "../../lib/distributed/mpi.ts";
import { fingerprint } from "../../lib/fingerprint.ts";
import { randomStream } from "../../lib/tensor/random.ts";

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
const told = Float64Array.of(rank + 0.1);
await ranks.broadcast(told);
await checkAgreement(ranks, "config", "the same");
const other = await checkAgreement(ranks, "config", rank > 0 && rank !== 2 ? "another" : "one").then(
  () => "agreed",
  (error: Error) => error.message,
);
await ranks.close();
const bits = fingerprint([numbers]);
console.log(JSON.stringify({ rank, size, engine, bits, error, doubles: [...doubles], told: told[0], other }));
