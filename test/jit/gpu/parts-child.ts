/** A process that compares sums that are made in parts on a GPU with the processor's, and prints JSON for each. */
import { jit } from "../../../lib/jit/index.ts";
import { SOME_GPU } from "../../../lib/jit/plan/forms.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";
import { GPU_TARGET, openDevice } from "./target.ts";

// As for a large GPU, also where a processor plays one.
Object.assign(await openDevice(), { products: SOME_GPU });
const random = randomGenerator(13);
const near1 = (x: Tensor): Tensor => tf.add(1, tf.mul(x, 1e-3)) as Tensor;
/** None of the sizes is divided by the parts. */
const CASES: Record<string, { shape: number[]; body: (x: Tensor) => Tensor | Tensor[] }> = {
  "all of one axis": { shape: [70_001], body: (x) => tf.sum(x) },
  "a mean of an expression": { shape: [3, 5003], body: (x) => tf.mean(tf.square(tf.sub(x, 1))) },
  "the largest and the least": { shape: [9, 4001], body: (x) => [tf.max(x), tf.min(x)] },
  "a product": { shape: [5003], body: (x) => tf.prod(near1(x)) },
  "rows of columns": { shape: [3001, 37], body: (x) => [tf.sum(x, 0), tf.sum(tf.square(x), 0)] },
  "an axis between": { shape: [3, 1501, 21], body: (x) => tf.mean(x, 1, true) },
  "columns of rows": { shape: [5, 9001], body: (x) => tf.sum(x, 1) },
  "products of few rows": { shape: [5, 3001], body: (x) => tf.matMul(x, tf.sin(x), false, true) },
  // More than a device has workgroups along one axis.
  "products of many matrices": {
    shape: [70_001, 2, 2],
    body: (x) => [tf.matMul(x, x) as Tensor, tf.matMul(tf.reshape(x, [-1, 2]), tf.ones([2, 3])), tf.sum(x)],
  },
  "products of matrices": {
    shape: [3, 2, 1025],
    body: (x) => tf.matMul(x, tf.cos(x), false, true) as Tensor,
  },
};
for (const [name, { shape, body }] of Object.entries(CASES)) {
  const x = normalTensor(random, shape);
  const [cpu, gpu] = (["cpu", GPU_TARGET] as const).map((target) =>
    jit((x: Tensor) => [body(x)].flat(), { target, name: "parts" }),
  );
  const { plan } = await gpu.lower([x], { target: GPU_TARGET });
  const partial = JSON.stringify(plan).includes("Partial");
  const [expected, actual] = [await cpu(x), await gpu(x)];
  let worst = 0;
  for (const [i, tensor] of expected.entries()) {
    const [wanted, got] = [(await tensor.data()) as Float32Array, await actual[i].data()];
    const scale = wanted.reduce((most, number) => Math.max(most, Math.abs(number)), 1);
    const error = wanted.reduce((most, number, at) => Math.max(most, Math.abs(number - got[at])), 0) / scale;
    worst = error > worst || Number.isNaN(error) ? error : worst;
  }
  console.log(JSON.stringify({ name, worst, partial }));
}
process.exit(0);
