import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadSmallCnn } from "../../lib/experiments/index.ts";
import { cnnFeaturesOfSet } from "../../lib/metrics/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { dataset } from "./bars.ts";

const previous = process.env.DITLAB_HOME;
test.before(async () => {
  process.env.DITLAB_HOME = await temporaryFolder();
});
test.after(() => {
  if (previous === undefined) delete process.env.DITLAB_HOME;
  else process.env.DITLAB_HOME = previous;
});

test("the feature network learns the classes, once, and comes back from the cache the same", async () => {
  const fresh = await loadSmallCnn(dataset);
  assert.ok(fresh.fresh);
  assert.ok(fresh.accuracy > 0.95, `accuracy ${fresh.accuracy}`);
  const cached = await loadSmallCnn(dataset);
  assert.not.ok(cached.fresh);
  assert.is(cached.accuracy, fresh.accuracy);
  const [a, b] = [
    await cnnFeaturesOfSet(fresh, dataset.test, [3, 1]),
    await cnnFeaturesOfSet(cached, dataset.test, [3, 1]),
  ];
  assert.equal(a, b);

  const changed = { ...dataset, train: { ...dataset.train, labels: dataset.train.labels.map((l) => 3 - l) } };
  assert.ok((await loadSmallCnn(changed)).fresh, "other training data is another network");
  assert.is((await readdir(join(process.env.DITLAB_HOME!, "classifiers"))).length, 2);
});

test.run();
