/** A process that compares products in all forms of a GPU with the processor's, and prints JSON for each size. */
import { jit, type Precision } from "../../../lib/jit/index.ts";
import { FORMS, matrixForms, SOME_GPU } from "../../../lib/jit/plan/forms.ts";
import { normalTensor, randomGenerator, type Tensor, tf } from "../../../lib/tensor/index.ts";
import { GPU_TARGET, openDevice } from "./target.ts";

/** Rows, columns and terms: fewer than any tile, one more than most, none a multiple. */
const SIZES = [
  [3, 5, 7],
  [65, 33, 37],
  [70, 9, 301],
] as const;

const device = await openDevice();
const random = randomGenerator(12);
/** As it is found. */
const OWN = device.products;
const all = [...FORMS, ...device.matrices.flatMap(matrixForms)];
const forms = process.argv[2] === "few" ? [FORMS[4], FORMS[7]] : all;
for (const [i, form] of forms.entries())
  for (const [rows, columns, depth] of SIZES) {
    // Also in parts, which take the product of one form to the sums of others.
    const parts = 1 + (i % 3);
    Object.assign(device, { products: { ...SOME_GPU, measured: () => ({ form, parts }) } });
    const [a, b] = [normalTensor(random, [rows, depth]), normalTensor(random, [depth, columns])];
    const [left, right] = [a, b].map((x) => tf.transpose(x) as Tensor);
    const all = (target: "cpu" | typeof GPU_TARGET) =>
      jit(
        (a: Tensor, b: Tensor, left: Tensor, right: Tensor) => ({
          plain: tf.add(tf.matMul(a, b), 1),
          left: tf.matMul(left, b, true, false),
          // A weight's gradient, and the bias's beside it.
          bias: tf.sum(left, 0),
          right: tf.matMul(a, right, false, true),
        }),
        { target, name: "products", precision: form.matrices ? "bfloat16" : "float32" },
      );
    const [expected, actual] = await Promise.all([
      all("cpu")(a, b, left, right),
      all(GPU_TARGET)(a, b, left, right),
    ]);
    let worst = 0;
    for (const name of ["plain", "left", "right", "bias"] as const) {
      const [wanted, got] = [await expected[name].data(), await actual[name].data()];
      const error =
        Math.max(...Array.from(wanted, (x, at) => Math.abs(x - got[at]))) / Math.sqrt(depth + rows);
      worst = error > worst || Number.isNaN(error) ? error : worst;
    }
    const rounds = form.matrices !== undefined;
    console.log(JSON.stringify({ name: `form ${i}, ${rows}x${columns}x${depth}`, worst, rounds }));
  }

// Products of a library whose factors are rounded on the way.
Object.assign(device, { products: OWN });
const [a, b] = [normalTensor(random, [65, 301]), normalTensor(random, [301, 33])];
const multiply = (target: "cpu" | typeof GPU_TARGET, precision: Precision) =>
  jit((a: Tensor, b: Tensor) => tf.matMul(a, b) as Tensor, { target, precision });
const wanted = (await (await multiply("cpu", "float32")(a, b)).data()) as Float32Array;
for (const precision of ["float32", "tf32"] as const) {
  const fn = multiply(GPU_TARGET, precision);
  const got = await (await fn(a, b)).data();
  const worst = wanted.reduce((most, x, i) => Math.max(most, Math.abs(x - got[i])), 0) / Math.sqrt(301);
  const { products } = fn.stats.traces[0].precision;
  console.log(JSON.stringify({ name: `${precision} as it comes`, worst, rounds: products === "tf32" }));
}
process.exit(0);
