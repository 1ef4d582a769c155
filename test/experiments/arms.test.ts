import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DIT_PROCESS } from "../../lib/diffusion/index.ts";
import { type Arm, demoArms, SCALES, scaleConfig, scaleSRA, summarize } from "../../lib/experiments/index.ts";
import { compareArms } from "../../lib/experiments/report/findings.ts";
import { renderReport } from "../../lib/experiments/report/report.ts";
import type { TransformerConfig } from "../../lib/models/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { dataset, ownHome, run, scale } from "./least.ts";

const kinds = suite("kinds of arms");
ownHome(kinds);

const base = (seed: number) => scaleConfig(scale, dataset, [], seed);
const conditional: Arm = { name: "conditional", label: "SiT", config: base };
const unconditional: Arm = {
  name: "unconditional",
  label: "SiT without classes",
  config: (seed) => ({ ...base(seed), model: { ...base(seed).model, numClasses: 0 } }),
};
const dit: Arm = {
  name: "dit",
  label: "DiT",
  config: (seed) => ({
    ...base(seed),
    model: { ...base(seed).model, outChannels: 2 },
    process: DIT_PROCESS,
  }),
};

kinds("the demo's arms are told no class, and differ in SRA alone", () => {
  for (const scale of Object.values(SCALES)) {
    const [plain, sra] = demoArms(scale, dataset).map(({ config }) => config(7));
    const { numClasses } = plain.model as TransformerConfig;
    assert.equal([numClasses, plain.classDropout, plain.methods.length], [0, 0, 0]);
    assert.equal(sra.methods, [scaleSRA(scale)]);
    assert.equal({ ...sra, methods: [] }, plain);
  }
});

kinds("an arm may know no classes, or be a DiT", async () => {
  const folder = await temporaryFolder();
  const results = await run(folder, [conditional, unconditional, dit]);
  assert.equal(
    results?.arms.map(({ name, runs }) => [name, runs.length]),
    [
      ["conditional", 2],
      ["unconditional", 2],
      ["dit", 2],
    ],
  );
  for (const { runs } of results!.arms)
    for (const { evaluations } of runs) {
      const [{ metrics, probe }] = evaluations;
      assert.ok(Object.values(metrics).every(Number.isFinite), JSON.stringify(metrics));
      // Levels are the scale's, whatever the process calls them, so that arms stand in one plot.
      assert.equal(
        probe.map(({ timestep, accuracy }) => [timestep, accuracy.length]),
        [[0.3, 2]],
      );
      assert.ok(probe[0].accuracy.every((value) => value >= 0 && value <= 1));
    }
  assert.equal(results?.settings["DiT: what differs"], {
    "model.outChannels": "2",
    "process.type": "gaussian",
    "process.path": "none",
    "process.times": "none",
    "process.schedule": "linear",
    "process.steps": "1000",
    "process.prediction": "noise",
    "process.learnSigma": "true",
  });
  assert.is(results?.settings.probe["noise level t of a DiT"], "step t T of its T");
  assert.is(results?.settings.sampling["guidance in grids"], "2, but none for arms without classes");
  summarize(results!, compareArms(results!));
  renderReport(results!, new Map());
});

kinds("all arms may be without classes", async () => {
  const folder = join(await temporaryFolder(), "all");
  const results = await run(folder, [unconditional], { scale: { ...scale, seeds: [0] } });
  assert.is(results?.settings.sampling["guidance in grids"], "none");
  assert.not.ok("noise level t of a DiT" in results!.settings.probe);
});

kinds.run();
