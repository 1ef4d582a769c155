/** `ditlab sample`: the samplers' options, as the library has them. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fromTensor, type NdArray, readNpz, writeTorch } from "../../lib/io/index.ts";
import { makeNetwork, type NetworkConfig } from "../../lib/models/index.ts";
import { loadPipeline, type PipelineSampleOptions } from "../../lib/pipeline/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { SMALL_MODEL as CONFIG } from "../models/small.ts";
import { randomParams } from "../samplers/small.ts";
import { ditlab } from "./helpers.ts";

const folder = await temporaryFolder();

/** A model's config and weights as files. */
async function written(name: string, config: NetworkConfig, seed: number) {
  const [model, checkpoint] = [join(folder, `${name}.json`), join(folder, `${name}.pt`)];
  const arrays: Record<string, NdArray> = {};
  for (const [key, tensor] of Object.entries(randomParams(makeNetwork(config), randomGenerator(seed))))
    arrays[key] = await fromTensor(tensor);
  await writeFile(model, JSON.stringify(config));
  await writeTorch(checkpoint, { ema: arrays });
  return { config, model, checkpoint, args: ["--checkpoint", checkpoint, "--model", model] };
}

const sit = await written("sit", CONFIG, 1);
const weak = await written("weak", { ...CONFIG, depth: 1 }, 2);
const dit = await written("dit", { ...CONFIG, outChannels: 2 }, 3);
const free = await written("free", { ...CONFIG, numClasses: 0 }, 4);
const weaker = await loadPipeline(weak.checkpoint, { model: weak.config });

const common = ["--count", "3", "--steps", "4", "--seed", "2"];
const CASES: [typeof sit, string[], PipelineSampleOptions][] = [
  [sit, ["--sampler", "dpm-solver++"], { sampler: "dpm-solver++" }],
  [sit, ["--time-shift", "3", "--time-spacing", "cosine"], { grid: { shift: 3, spacing: "cosine" } }],
  [sit, ["--last-time", "0.1", "--sampler", "heun"], { sampler: "heun", grid: { last: 0.1 } }],
  [sit, ["--times", "1", "0.9", "0.5", "0.2", "0"], { grid: [1, 0.9, 0.5, 0.2, 0] }],
  [
    sit,
    ["--sampler", "edm", "--churn", "2", "--churn-noise", "1.01", "--churn-interval", "0.1", "2"],
    { sampler: "edm", churn: { amount: 2, noise: 1.01, interval: [0.1, 2] } },
  ],
  [
    sit,
    ["--guidance", "2", "--weaker", weak.checkpoint, "--weaker-model", weak.model],
    { guidance: 2, weaker },
  ],
  [
    dit,
    ["--sampler", "ddim", "--respacing", "ddim4", "--eta", "0.3"],
    { sampler: "ddim", grid: "ddim4", eta: 0.3 },
  ],
  [free, [], {}],
];

for (const [{ checkpoint, config, args }, flags, options] of CASES)
  test(`${flags.join(" ") || "a network without classes"}`, async () => {
    const out = join(folder, "samples.npz");
    const { code, stderr } = await ditlab(["sample", ...args, ...common, ...flags, "--out", out]);
    assert.is(code, 0, stderr);
    const pipeline = await loadPipeline(checkpoint, { model: config });
    const { images } = await pipeline.sample({ count: 3, steps: 4, seed: 2, ...options });
    const drawn = (await readNpz(out)).arr_0;
    // Grey images have three channels in the file.
    assert.equal(
      [...(drawn.data as Uint8Array)].filter((_, i) => i % 3 === 0),
      [...images!.data],
    );
    await pipeline.dispose();
  });

test("options that contradict each other, or mean nothing, leave no file", async () => {
  const out = join(folder, "refused", "samples.npz");
  await mkdir(join(folder, "refused"));
  for (const [args, message] of [
    [["--times", "1", "0", "--time-shift", "2"], /each say which steps are taken; expected one of them/],
    [["--times", "1", "0"], /the grid must list 5 times within \[0, 1\], got 2 numbers/],
    [["--churn-noise", "2"], /expected --churn, too/],
    [["--churn", "1"], /churn is an option of the sampler 'edm'; got churn \{"amount":1\} for 'euler'/],
    [
      ["--churn", "1", "--sampler", "edm", "--churn-interval", "1"],
      /--churn-interval takes two ratios, got 1/,
    ],
    [["--weaker-model", weak.model], /--weaker-model is for the weights of --weaker/],
    [["--respacing", "ddim4"], /the grid 'ddim4' is one of a Gaussian process/],
    [
      ["--guidance", "2", "--weaker", dit.checkpoint, "--weaker-model", dit.model],
      /a weaker model guides within one process; expected {"type":"interpolant",.*}, got {"type":"gaussian",.*}/,
    ],
  ] as const) {
    const { code, stderr } = await ditlab(["sample", ...sit.args, ...common, ...args, "--out", out]);
    assert.is(code, 1, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, message);
    assert.is(await readFile(out).catch(() => undefined), undefined);
  }
  const { code, stderr } = await ditlab(["sample", ...free.args, ...common, "--class", "1", "--out", out]);
  assert.is(code, 1);
  assert.match(stderr, /knows no classes; expected neither --class nor --labels/);
});

test.after(() => weaker.dispose());

test.run();
