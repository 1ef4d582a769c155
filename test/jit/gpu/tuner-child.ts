/** A process that tunes a product on a GPU, with its tuning in the folder that is given, and prints JSON. */
import { jit } from "../../../lib/jit/index.ts";
import { SOME_GPU } from "../../../lib/jit/plan/forms.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";
import { GPU_TARGET, openDevice } from "./target.ts";

const [, , folder, by] = process.argv;
const device = await openDevice();
const isTimed = device.hasClock;
if (by !== "library") Object.assign(device, { products: SOME_GPU });
// A processor that plays a GPU takes its time.
device.tuning.minFlops = 2 ** 20;
process.env.DITLAB_JIT_CACHE = "1";
const random = randomGenerator(14);
// Few sums of many terms: in parts.
const [a, b] = [normalTensor(random, [16, 4096]), normalTensor(random, [24, 4096])];
const fn = jit((a: Tensor, b: Tensor) => tf.matMul(a, b, false, true), { target: GPU_TARGET, cache: folder });
const before = tf.memory().numTensors;
const [expected, actual] = await Promise.all([
  jit((a: Tensor, b: Tensor) => tf.matMul(a, b, false, true), { target: "cpu" })(a, b),
  fn(a, b),
]);
const [wanted, got] = [await expected.data(), await actual.data()];
const worst = Math.max(...Array.from(wanted, (x, i) => Math.abs(x - got[i]))) / Math.sqrt(4096);
tf.dispose([expected, actual]);
const leaked = tf.memory().numTensors - before;
// Those of the tuner's candidates among them.
const kernels = device.kernels.size;
console.log(JSON.stringify({ isTimed, known: [...device.tuning.known], kernels, worst, leaked }));
process.exit(0);
