/** NVIDIA's own NCCL in a process without stand-ins, which have its name: what it does without a GPU, as a line of JSON. */
import { openNccl } from "../../lib/distributed/nccl-library.ts";
import { driverFile } from "../../lib/jit/targets/cuda/libraries.ts";

/** A folder of NVIDIA's wheels. */
const { DITLAB_TEST_NCCL, DITLAB_CUDA_PATH } = process.env;
process.env.DITLAB_CUDA_PATH = DITLAB_TEST_NCCL ?? DITLAB_CUDA_PATH ?? "";
const nccl = openNccl();
if (typeof nccl === "string") process.exit(1);
// Asked whether it is there.
if (process.argv[2] === "probe") process.exit(0);

/** What a call says is wrong. */
function wrong(call: () => unknown): string {
  try {
    call();
    return "nothing";
  } catch (error) {
    return (error as Error).message;
  }
}
const [one, two] = [nccl.newId(), nccl.newId()];
console.log(
  JSON.stringify({
    name: nccl.name,
    idBytes: one.length,
    differ: !Buffer.from(one).equals(two),
    // Without a driver it begins on nothing; where one is, it would wait for the other rank.
    hasDriver: driverFile() !== undefined,
    begun: driverFile() === undefined ? wrong(() => nccl.initialize(2, one, 0)) : "",
    asked: wrong(() => nccl.isReady(0n)),
    summed: wrong(() => nccl.sum(0n, [{ pointer: 0n, count: 4 }], 0n)),
  }),
);
process.exit(0);
