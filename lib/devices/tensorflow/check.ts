/**
 * Tries a setup in a process of its own, which a library that does not fit may end: a product, a gradient and a
 * convolution with known results. Argument: the record's file. Prints what computes, as a line of JSON.
 */
import { type Tensor, type Tensor4D, tf, valueAndGrad } from "../../tensor/index.ts";
import { BACKEND, registerTensorFlow, runtimeOf } from "./load.ts";
import { readSetup } from "./record.ts";

/** @throws saying what came in place of what was expected */
function compare(what: string, got: Tensor, expected: readonly number[]): void {
  const values = [...got.dataSync()];
  if (values.length !== expected.length || values.some((value, i) => value !== expected[i]))
    throw new Error(`${what} came to ${values.join(", ")}, expected ${expected.join(", ")}`);
}

function check(): void {
  const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
  const w = tf.tensor2d([1, -1, 0, 2, 1, 1], [3, 2]);
  compare("a product", tf.matMul(x, w), [4, 6, 10, 12]);
  const squares = valueAndGrad(
    ({ w }: { w: Tensor }): Tensor => tf.sum(tf.square(tf.matMul(x, w))) as Tensor,
  );
  compare("a gradient", squares({ w }).gradient.w, [88, 108, 116, 144, 144, 180]);
  const image = tf.reshape(tf.range(0, 9), [1, 3, 3, 1]) as Tensor4D;
  const kernel = tf.ones([3, 3, 1, 1]) as Tensor4D;
  compare("a convolution", tf.conv2d(image, kernel, 1, "same"), [8, 15, 12, 21, 36, 27, 20, 33, 24]);
}

const say = (outcome: object): Promise<void> =>
  new Promise((done) => void process.stdout.write(`${JSON.stringify(outcome)}\n`, () => done()));
try {
  const setup = readSetup(process.argv[2]);
  if (!setup) throw new Error(`there is no ${process.argv[2]}`);
  registerTensorFlow(setup);
  await tf.setBackend(BACKEND);
  check();
  await say({ runtime: runtimeOf(setup) });
} catch (error) {
  await say({ error: (error as Error).message });
}
// The library's threads would keep it.
process.exit(0);
