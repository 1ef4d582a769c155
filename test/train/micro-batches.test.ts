import { test } from "uvu";
import * as assert from "uvu/assert";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { TRANSFORMER_DEFAULTS } from "../../lib/models/index.ts";
import { makeTask, microBatchesFor, type TaskConfig } from "../../lib/train/index.ts";

const task = (hiddenSize: number, inputSize: number, methods: TaskConfig["methods"] = []) =>
  makeTask({
    model: {
      ...TRANSFORMER_DEFAULTS,
      hiddenSize,
      inputSize,
      patchSize: 2,
      inChannels: 4,
      depth: 12,
      numHeads: 6,
      numClasses: 1000,
    },
    process: SIT_PROCESS,
    methods,
  });

test("parts are as few as fit the cache, and divide the batch", () => {
  assert.is(microBatchesFor(task(384, 32), 8), 2); // 1,024 tokens a part, 6.3 MB
  assert.is(microBatchesFor(task(192, 28), 64), 8); // 1,568 tokens, 4.8 MB
  assert.is(microBatchesFor(task(192, 28), 61), 1); // a prime number of samples cannot be split into parts of many
  assert.is(microBatchesFor(task(96, 16), 16), 1);
});

test("a part keeps its thousand tokens, however wide the network", () => {
  assert.is(microBatchesFor(task(768, 32), 4), 1);
  assert.is(microBatchesFor(task(1152, 32), 32), 8);
});

test("a method that compares samples sees the whole batch", () => {
  const dispersive = { method: "dispersive", weight: 0.25, block: 3, temperature: 1 } as const;
  assert.is(microBatchesFor(task(384, 32, [dispersive]), 8), 1);
});

test.run();
