import { test } from "uvu";
import * as assert from "uvu/assert";
import { inceptionScore } from "../../lib/metrics/index.ts";
import { close, features, featuresOf, matches, reference } from "./helpers.ts";

const probabilities = featuresOf(reference.probabilities);

test("agrees with the reference", () => {
  matches(inceptionScore(probabilities), "inception_score_split5000", 1e-12);
  matches(inceptionScore(probabilities, { splitSize: 100 }), "inception_score_split100", 1e-12);
  matches(inceptionScore(probabilities, { splits: 5 }), "inception_score_split100", 1e-12);
});

test("has its closed forms", () => {
  const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];
  close(inceptionScore(features(3, ...identity)), 3, 1e-14);
  close(inceptionScore(features(3, ...identity), { splits: 3 }), 1, 1e-14);
  close(inceptionScore(features(2, 0.3, 0.7, 0.3, 0.7)), 1, 1e-14);
  // The last split has one row and the score 1; the first, of two certain rows, has 2.
  close(inceptionScore(features(2, 1, 0, 0, 1, 1, 0), { splitSize: 2 }), 1.5, 1e-14);
});

test("accepts float32 probabilities", () => {
  const data = Float32Array.from(probabilities.data);
  matches(inceptionScore({ ...probabilities, data }), "inception_score_split5000", 1e-6);
});

test("refuses what are no probabilities or splits", () => {
  const good = features(2, 0.5, 0.5, 1, 0);
  assert.throws(() => inceptionScore(features(2, 0.5, 0.5, 0.5, 0.6)), /row 1 sum to 1\.1, expected 1/);
  assert.throws(() => inceptionScore(features(2, 1.5, -0.5)), /hold -0\.5 in row 0, column 1/);
  assert.throws(() => inceptionScore(features(2, Number.NaN, 1)), /hold NaN in row 0/);
  assert.throws(() => inceptionScore(features(2)), /0 rows, expected at least 1/);
  assert.throws(() => inceptionScore(good, { splitSize: 0 }), /splitSize .*got 0/);
  assert.throws(() => inceptionScore(good, { splits: 3 }), /from 1 to the 2 images, got 3/);
  assert.throws(() => inceptionScore(good, { splits: 1, splitSize: 1 }), /got both/);
});

test.run();
