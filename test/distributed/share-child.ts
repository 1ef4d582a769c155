/** A rank that does its share of what `shared-work.ts` lists. */
import { launchOf } from "../../lib/distributed/launch.ts";
import { joinMpi } from "../../lib/distributed/mpi.ts";
import { isFirst, shareOut } from "../../lib/distributed/share.ts";
import { doWork } from "./shared-work.ts";

const { inputs, out, isWhole } = JSON.parse(process.argv[2]);
const ranks = joinMpi(launchOf()!);
const { rank } = ranks;
const makers: unknown[] = [];
/** What a sum would not carry as it is: other kinds of data, -0 and NaN. */
const make = async (part: number) => ({
  part,
  by: rank,
  values: Float32Array.of(part, -0, Number.NaN, 1e-40),
});
for await (const { part, by, values } of shareOut([0, 1, 2, 3, 4, 5, 6], make, ranks))
  makers.push([part, by, values[0], Object.is(values[1], -0), Number.isNaN(values[2]), values[3]]);
const work = await doWork(inputs, out, { isWhole, ranks });
await ranks.close();
console.log(JSON.stringify({ rank, makers, ...(isFirst(ranks) && { work }) }));
