/** How far tensors are from each other. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { assertClose, largestDifference, tf } from "../../lib/tensor/index.ts";

/** The message of the error that a promise ends with. */
const failure = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "none",
    ({ message }: Error) => message,
  );

test("the largest difference is that of the element that is farthest off", async () => {
  const a = tf.tensor2d([
    [1, 2],
    [3, 4],
  ]);
  assert.is(
    await largestDifference(
      a,
      tf.tensor2d([
        [1, 2.5],
        [3, 2],
      ]),
    ),
    2,
  );
  assert.is(
    await largestDifference(tf.scalar(Number.POSITIVE_INFINITY), tf.scalar(Number.POSITIVE_INFINITY)),
    0,
  );
  assert.is(await largestDifference(tf.tensor1d([]), tf.tensor1d([])), 0);
  assert.ok(Number.isNaN(await largestDifference(tf.tensor1d([Number.NaN, 1]), tf.tensor1d([0, 1]))));
  assert.is(
    await failure(largestDifference(a, tf.tensor1d([1, 2, 3, 4]))),
    "tensors to compare must have one shape, got [2,2] and [4]",
  );
});

test("what should be the same is told apart where it is not, and where it is no number", async () => {
  const one = tf.scalar(1);
  assert.ok((await assertClose("one", one, tf.scalar(1.00001), 1e-4)) > 0);
  assert.is(
    await failure(assertClose("the loss", one, tf.scalar(1.5))),
    "the loss: expected within 0.00001 of the other, got a difference of 0.5",
  );
  assert.match(await failure(assertClose("the loss", one, tf.scalar(Number.NaN))), /a difference of NaN/);
});

test.run();
