import { test } from "uvu";
import * as assert from "uvu/assert";
import { SIT_DEFAULTS } from "../../lib/models/index.ts";
import { microBatchesFor } from "../../lib/train/index.ts";

const model = (hiddenSize: number, inputSize: number) => ({
  ...SIT_DEFAULTS,
  hiddenSize,
  inputSize,
  patchSize: 2,
  inChannels: 4,
  depth: 12,
  numHeads: 6,
  numClasses: 1000,
});

test("parts are as few as fit the cache, and divide the batch", () => {
  assert.is(microBatchesFor(model(384, 32), 8), 2); // 1,024 tokens a part, 6.3 MB
  assert.is(microBatchesFor(model(192, 28), 64), 8); // 1,568 tokens, 4.8 MB
  assert.is(microBatchesFor(model(192, 28), 61), 1); // a prime number of samples cannot be split into parts of many
  assert.is(microBatchesFor(model(96, 16), 16), 1);
});

test("a part keeps its thousand tokens, however wide the network", () => {
  assert.is(microBatchesFor(model(768, 32), 4), 1);
  assert.is(microBatchesFor(model(1152, 32), 32), 8);
});

test.run();
