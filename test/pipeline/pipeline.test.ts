/** From runs, checkpoints and files of weights to images, as the parts alone would make them. */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DIT_PROCESS, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import {
  fromTensor,
  type NdArray,
  toTensor,
  toUint8Images,
  writeSafetensors,
  writeTorch,
} from "../../lib/io/index.ts";
import { makeNetwork } from "../../lib/models/index.ts";
import { loadPipeline, type PipelineSampleOptions } from "../../lib/pipeline/index.ts";
import { sampleGenerator } from "../../lib/samplers/index.ts";
import { mapParams, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import {
  initTask,
  initTrainState,
  makeTask,
  type TrainState,
  writeCheckpoint,
} from "../../lib/train/index.ts";
import { decode, readVAE } from "../../lib/vae/index.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";
import { randomParams } from "../samplers/small.ts";
import { smallConfig } from "../train/small.ts";

const folder = await temporaryFolder();
const config = smallConfig({ moreEmaDecays: [0.5] });
const task = makeTask(config);
const network = makeNetwork(config.model);

/** A run whose last weights and averages all differ, with the head of a method beside the network. */
const random = randomGenerator(1);
const last: Params = { ...initTask(task, random), ...randomParams(network, random) };
const scaled = (params: Params, factor: number): Params => mapParams(params, (p) => tf.mul(p, factor));
const fresh = initTrainState(task, last, config);
const state: TrainState = { ...fresh, ema: scaled(last, 0.9), averages: [scaled(last, 0.8)] };
const run = join(folder, "run");
const checkpoint = await writeCheckpoint(join(run, "checkpoints"), { step: 7, state, config });

const own = (params: Params): Params =>
  Object.fromEntries(Object.keys(network.shapes).map((name) => [name, params[name]]));
const OPTIONS = { labels: [0, 1, 1], steps: 3, seed: 5 } as const;
const direct = async (params: Params, change: Partial<PipelineSampleOptions> = {}): Promise<Float32Array> => {
  const generator = sampleGenerator(network, config.process);
  const { guidance: _, ...rest } = change;
  const images = await generator.generate(own(params), { ...OPTIONS, sampler: "euler", ...rest });
  await generator.dispose();
  return images.data;
};

test("a run folder and its checkpoint: averaged weights, another average, or the last", async () => {
  for (const [source, options, params] of [
    [run, {}, state.ema],
    [checkpoint, {}, state.ema],
    [run, { emaDecay: 0.5 }, state.averages![0]],
    [run, { weights: "model" }, state.params],
  ] as const) {
    const pipeline = await loadPipeline(source, options);
    assert.equal([pipeline.step, pipeline.source, pipeline.makesImages], [7, source, true]);
    assert.equal(pipeline.config, config.model);
    assert.equal(pipeline.process, SIT_PROCESS);
    // The heads of methods stay behind.
    assert.equal(Object.keys(pipeline.params), Object.keys(network.shapes));
    const { latents, labels } = await pipeline.sample(OPTIONS);
    assert.equal(latents.data, await direct(params));
    assert.equal(labels, [0, 1, 1]);
    await pipeline.dispose();
  }
});

test("nothing but the network's parameters stays in memory, and nothing when it is disposed", async () => {
  const before = tf.memory().numTensors;
  const pipeline = await loadPipeline(run);
  assert.is(tf.memory().numTensors, before + Object.keys(network.shapes).length);
  await pipeline.sample(OPTIONS);
  assert.is(tf.memory().numTensors, before + Object.keys(network.shapes).length);
  await pipeline.dispose();
  assert.is(tf.memory().numTensors, before);
});

test("samples are pixels, a PNG, and show themselves", async () => {
  const pipeline = await loadPipeline(run);
  const samples = await pipeline.sample({ count: 3, steps: 3, seed: 5 });
  assert.equal(samples.labels, [0, 1, 0], "all classes in turn");
  assert.equal(samples.images, toUint8Images(samples.latents.data, samples.latents.shape));
  const png = await samples.toPng({ columns: 3, gap: 0 });
  assert.equal([png.readUInt32BE(16), png.readUInt32BE(20)], [24, 8]);
  const path = join(folder, "grid.png");
  await samples.writePng(path, { columns: 3, gap: 0 });
  assert.equal(await readFile(path), png);
  const shown: unknown = Reflect.get(samples, Symbol.for("Jupyter.display"));
  const bundle = await (shown as () => Promise<Record<string, string>>).call(samples);
  assert.is(bundle["text/plain"], "3 images of 8 x 8 pixels, classes 0, 1, 0");
  assert.equal(Buffer.from(bundle["image/png"], "base64"), await samples.toPng());
  await pipeline.dispose();
});

test("guidance by its scale, by a weaker run, and all of the generator's options", async () => {
  const [pipeline, weaker] = [await loadPipeline(run), await loadPipeline(run, { weights: "model" })];
  const made = async (options: PipelineSampleOptions) =>
    (await pipeline.sample({ ...OPTIONS, ...options })).latents.data;
  assert.equal(await made({ guidance: 2 }), await made({ guidance: { scale: 2 } }));
  assert.ok(relativeError(await made({ guidance: 2 }), await made({})) > 1e-3);
  const guided = await made({ guidance: 2, weaker });
  const generator = sampleGenerator(network, config.process);
  const expected = await generator.generate(own(state.ema), {
    ...OPTIONS,
    sampler: "euler",
    guidance: { scale: 2 },
    weaker: { params: own(state.params) },
  });
  assert.ok(relativeError(guided, expected.data) < 1e-5);
  const other = { sampler: "edm", churn: { amount: 1 }, grid: { shift: 2 } } as const;
  assert.equal(await made(other), await direct(state.ema, other));
  const seen: number[][] = [];
  await made({ onProgress: (done, total) => seen.push([done, total]), batchSize: 2 });
  assert.equal(seen, [
    [2, 3],
    [3, 3],
  ]);
  await Promise.all([pipeline.dispose(), weaker.dispose(), generator.dispose()]);
});

test("a run in parts equals one run, also where classes go in turn", async () => {
  const pipeline = await loadPipeline(run);
  const whole = await pipeline.sample({ count: 7, steps: 3 });
  assert.equal(whole.labels, [0, 1, 0, 1, 0, 1, 0]);
  const parts = [
    await pipeline.sample({ count: 3, steps: 3 }),
    await pipeline.sample({ count: 4, first: 3, steps: 3 }),
  ];
  assert.equal(
    parts.flatMap(({ labels }) => labels!),
    whole.labels,
  );
  const joined = Float32Array.from(parts.flatMap(({ latents }) => [...latents.data]));
  assert.ok(relativeError(joined, whole.latents.data) < 1e-5);
  await pipeline.dispose();
});

test("a weaker run of another process is refused, before anything is computed", async () => {
  const gaussian = smallConfig({ process: { ...DIT_PROCESS, learnSigma: false }, methods: [] });
  const other = makeTask(gaussian);
  const params = { ...initTask(other, random), ...randomParams(other.network, random) };
  const weak = join(folder, "gaussian");
  const state = initTrainState(other, params, gaussian);
  await writeCheckpoint(join(weak, "checkpoints"), { step: 1, state, config: gaussian });
  const [pipeline, weaker] = [await loadPipeline(run), await loadPipeline(weak)];
  const message =
    /^a weaker model guides within one process; expected \{"type":"interpolant".*\}, got \{"type":"gaussian".*\}$/;
  assert.throws(() => pipeline.check({ guidance: 2, weaker, count: 2 }), message);
  await rejects(pipeline.sample({ guidance: 2, weaker, count: 2 }), message);
  await rejects(weaker.sample({ guidance: 2, weaker: pipeline, count: 2 }), /^a weaker model guides within/);
  await Promise.all([pipeline.dispose(), weaker.dispose()]);
});

test("in a notebook a bar shows how far it is", async () => {
  const pipeline = await loadPipeline(run);
  const told: unknown[] = [];
  const scope = globalThis as { progress?: unknown };
  scope.progress = (total: number, options: { label: string }) => {
    told.push([total, options.label]);
    return { update: (done: number) => told.push(done), done: () => told.push("done") };
  };
  try {
    await pipeline.sample({ ...OPTIONS, batchSize: 2 });
  } finally {
    delete scope.progress;
  }
  assert.equal(told, [[3, "sampling"], 2, 3, "done"]);
  await pipeline.dispose();
});

test("weights of others, in PyTorch's format or safetensors, with latents that a VAE decodes", async () => {
  const model = { ...config.model, inChannels: 4, outChannels: 8 };
  const dit = makeNetwork(model);
  const params = randomParams(dit, randomGenerator(3));
  const arrays: Record<string, NdArray> = {};
  for (const [name, tensor] of Object.entries(params)) arrays[name] = await fromTensor(tensor);
  const [torch, safetensors] = [join(folder, "dit.pt"), join(folder, "dit.safetensors")];
  await writeTorch(torch, { ema: arrays });
  await writeSafetensors(safetensors, arrays);
  const vae = join(folder, "vae");
  await mkdir(vae);
  await copyFile(fixture("vae-config.json"), join(vae, "config.json"));
  await copyFile(fixture("vae.safetensors"), join(vae, "diffusion_pytorch_model.safetensors"));

  const loads: [string, number][] = [];
  const plain = await loadPipeline(torch, { model, onLoad: (what, done) => loads.push([what, done]) });
  assert.equal(plain.process, DIT_PROCESS);
  assert.equal(loads.at(-1), [torch, Object.keys(params).length]);
  const { latents, images, toPng } = await plain.sample(OPTIONS);
  assert.is(plain.makesImages, false);
  assert.is(images, undefined);
  await rejects(toPng(), /^a picture of 4 channels needs a VAE .* expected the pipeline's option vae$/);

  const whole = await loadPipeline(safetensors, { model, vae });
  const decoded = await whole.sample(OPTIONS);
  assert.equal(decoded.latents, latents);
  const { config: vaeConfig, params: vaeParams } = await readVAE(vae);
  const expected: Tensor = decode(vaeParams, vaeConfig, toTensor(latents));
  const want = toUint8Images(expected.dataSync() as Float32Array, expected.shape, "down");
  assert.equal(decoded.images?.shape, want.shape);
  // Of two programs' roundings a few may turn.
  const turned = want.data.filter((value, i) => value !== decoded.images?.data[i]).length;
  assert.ok(turned < 0.02 * want.data.length, `${turned} of ${want.data.length}`);
  await Promise.all([plain.dispose(), whole.dispose()]);
  const before = tf.memory().numTensors;
  const again = await loadPipeline(safetensors, { model, vae });
  await again.dispose();
  assert.is(tf.memory().numTensors, before, "nothing is left of the model and its VAE");
});

test("what is no source, and options that do not fit it, are refused in a sentence", async () => {
  const weights = join(folder, "weights.safetensors");
  await writeSafetensors(weights, { x: await fromTensor(tf.zeros([1])) });
  const text = join(folder, "x.pt");
  await writeFile(text, "x");
  const missing = join(folder, "nothing");
  await rejects(loadPipeline(missing), /^there is no run folder or checkpoint at .*nothing$/);
  await rejects(loadPipeline(folder), /holds no checkpoint; expected a run folder or a checkpoint file$/);
  for (const path of [weights, text])
    await rejects(
      loadPipeline(path),
      /does not say which model its weights are of; expected the option model, for example SiT-XL\/2$/,
    );
  await rejects(loadPipeline(text, { model: "SiT-M/2" as "SiT-B/2" }), /unknown model 'SiT-M\/2'/);
  await rejects(
    loadPipeline(run, { emaDecay: 0.7 }),
    /no moving average with decay 0.7; expected 0.9 or 0.5$/,
  );
  await rejects(loadPipeline(run, { process: DIT_PROCESS }), /has a process of its own/);
  // Ours say their model: with another process than their own they would be sampled to images of nothing.
  for (const source of [run, checkpoint])
    await rejects(
      loadPipeline(source, { model: config.model }),
      /^the run .* has a model of its own; expected the option model with a file of weights alone$/,
    );
  await rejects(
    loadPipeline(run, { weights: "model", emaDecay: 0.5 }),
    /^emaDecay 0\.5 is one of averaged weights; expected weights 'ema', got 'model'$/,
  );
  await rejects(
    loadPipeline(text, { model: config.model, emaDecay: 0.5 }),
    /^emaDecay chooses one of the averages that a run keeps; .*x\.pt is a file of weights, expected none$/,
  );
  await rejects(
    loadPipeline(run, { weights: "emaa" as "ema" }),
    /^weights must be ema or model, got 'emaa'$/,
  );
  await rejects(
    loadPipeline(run, { emadecay: 0.5 } as object),
    /^pipeline options: emadecay is unknown, did you mean emaDecay\?$/,
  );
  const pipeline = await loadPipeline(run);
  assert.throws(() => pipeline.check({ sampler: "ddpm" }), /'ddpm' is not one for an interpolant/);
  await rejects(pipeline.sample({ steps: 0 }), /steps must be an integer of at least 1, got 0/);
  await pipeline.dispose();
});

test.run();
