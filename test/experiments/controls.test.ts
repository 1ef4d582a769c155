/** Controls: what measures say of real and of trivial images. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { controlMetrics } from "../../lib/experiments/controls.ts";
import { disposeEvaluator, makeEvaluator } from "../../lib/experiments/evaluator.ts";
import { tf } from "../../lib/tensor/index.ts";
import { dataset, ownHome, scale } from "./least.ts";

const controls = suite("controls");
ownHome(controls);

controls("real images are nearest, and trivial ones measured the same way", async () => {
  const before = tf.memory().numTensors;
  const quiet = { begin() {}, update() {}, end() {}, note() {} };
  const evaluator = await makeEvaluator(dataset, { ...scale, generated: 60 }, quiet);
  const [real, mean, pixels] = await controlMetrics(evaluator);
  await disposeEvaluator(evaluator);
  assert.is(tf.memory().numTensors, before);
  assert.equal(
    [real, mean, pixels].map(({ isTrivial }) => isTrivial),
    [false, true, true],
  );
  assert.ok(
    real.frechet < pixels.frechet && real.frechet < mean.frechet,
    JSON.stringify([real, mean, pixels]),
  );
  // One image again and again is one class.
  assert.ok(Math.abs(mean.inceptionScore - 1) < 1e-6, `${mean.inceptionScore}`);
});

controls.run();
