import { access, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Arm, scaleConfig } from "../../lib/experiments/index.ts";
import { tf } from "../../lib/tensor/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { dataset, ownHome, run, scale } from "./least.ts";

const comparison = suite("comparison");
ownHome(comparison);

const layerSync = { method: "layersync", weight: 0.2, block: 1, targetBlock: 3 } as const;

/** The same model with other learning rates, and one of another depth with another method than SRA. */
const arms: Arm[] = [
  { name: "slow", label: "SiT, slow", config: (seed) => scaleConfig(scale, dataset, [], seed) },
  {
    name: "fast",
    label: "SiT, fast",
    phrase: "the fast one",
    config: (seed) => ({ ...scaleConfig(scale, dataset, [], seed), learningRate: 1e-2 }),
  },
  {
    name: "deep",
    label: "SiT, deep",
    config: (seed) => scaleConfig({ ...scale, depth: 3 }, dataset, [layerSync], seed),
  },
];

comparison("trains any arms with every seed, and keeps their order", async () => {
  const folder = await temporaryFolder();
  const before = tf.memory().numTensors;
  const results = await run(folder, arms);
  assert.is(tf.memory().numTensors, before, "nothing is left of runs and of the feature network");
  assert.equal(
    results?.arms.map(({ name, phrase, runs }) => [name, phrase, runs.map(({ seed }) => seed)]),
    [
      ["slow", "SiT, slow", [0, 1]],
      ["fast", "the fast one", [0, 1]],
      ["deep", "SiT, deep", [0, 1]],
    ],
  );
  assert.equal(
    results?.arms.map(({ runs }) => runs[0].evaluations[0].probe[0].accuracy.length),
    [2, 2, 3],
    "each kind of model is probed by what was compiled for it",
  );
  assert.ok(!("probeBlocks" in results!));
  assert.equal(
    results?.arms.map(({ runs }) => Object.keys(runs[0].curve.losses)),
    [["generative"], ["generative"], ["generative", "layersync"]],
  );
  assert.equal(results?.settings["SiT, fast: what differs"], { learningRate: "0.01" });
  assert.equal(results?.settings["SiT, deep: what differs"], { "model.depth": "3" });
  assert.equal(results?.settings.layersync, { block: 1, "target block": 3, lambda: "0.2" });
  assert.equal(JSON.parse(await readFile(join(folder, "results.json"), "utf8")).format, "ditlab-results/2");
  await access(join(folder, "deep-seed1", "samples.png"));

  await run(folder, arms.slice(0, 2), { resume: true }).then(
    () => assert.unreachable(),
    ({ message }: Error) => assert.match(message, /cannot go on with the comparison in .*: its arms was/),
  );
  // Begun anew with fewer arms, it leaves nothing of the others but what somebody else put there.
  await writeFile(join(folder, "deep-seed0", "note.txt"), "mine");
  await run(folder, arms.slice(0, 1));
  assert.is(await readFile(join(folder, "deep-seed0", "note.txt"), "utf8"), "mine");
  for (const gone of ["deep-seed0/samples.png", "fast-seed0", "deep-seed1"])
    await access(join(folder, gone)).then(
      () => assert.unreachable(gone),
      () => {},
    );
});

comparison.run();
