/** Options of the command: what people of this field set, and what is said of wrong ones. */
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { withModel } from "../../lib/cli/config.ts";
import type { ConfigOptions } from "../../lib/cli/config-options.ts";
import { readNpz } from "../../lib/io/index.ts";
import { loadModel, makeNetwork } from "../../lib/models/index.ts";
import {
  headShapes,
  makeTask,
  readCheckpoint,
  type TrainConfig,
  type TransformerTrainConfig,
} from "../../lib/train/index.ts";
import { png } from "../data/images.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { smallConfig } from "../train/small.ts";
import { ditlab, smallIdxFolder } from "./helpers.ts";

const data = smallIdxFolder();
const home = temporaryFolder();

const run = async (...args: string[]) => ditlab(args, { DITLAB_HOME: await home });
const configIn = async (folder: string): Promise<TransformerTrainConfig> =>
  JSON.parse(await readFile(join(folder, "config.json"), "utf8"));

test("wrong usage is exit code 2, also of commands below commands", async () => {
  for (const [args, message] of [
    [["prepare", "images", "only-one"], /missing required argument 'destination'/],
    [["prepare", "images", "a", "b", "--size", "0"], /--size.*1 or more/s],
    [["train", "--steps", "-3"], /--steps.*1 or more/s],
    [["train", "--seed", "1.5"], /--seed.*a whole number/s],
    [["train", "--decay", "step"], /'step' is invalid.*linear, cosine/s],
    [["train", "--ema-decay", "x"], /--ema-decay.*a number/s],
  ] as const) {
    const { code, stderr } = await run(...args);
    assert.is(code, 2, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, message);
  }
  // Nothing is said of a default where there is none; help is wrapped where its lines end.
  const { stdout } = await run("prepare", "latents", "--help");
  assert.match(stdout.replaceAll(/\s+/g, " "), /the name of a published one -/);
});

test("what is wrong with a config, a preset or a model is one sentence, and nothing is written", async () => {
  const folder = await temporaryFolder();
  const out = join(folder, "run");
  const write = async (name: string, value: unknown): Promise<string> => {
    await writeFile(join(folder, name), JSON.stringify(value));
    return join(folder, name);
  };
  const { mlpRatio, ...short } = smallConfig().model;
  const misspelt = await write("misspelt.json", { ...smallConfig(), lerningRate: 1 });
  const little = await write("little.json", { model: { inputSize: 16 } });
  const model = await write("model.json", short);
  for (const [args, message] of [
    [
      ["train", "--config", misspelt],
      /misspelt\.json: train config: lerningRate is unknown, did you mean learningRate\?/,
    ],
    [
      ["train", "--config", little],
      /little\.json: train config: seed is missing.*model\.patchSize is missing.*batchSize is missing/,
    ],
    [["train", "--config", join(folder, "none.json")], /Cannot read .*none\.json: there is no such file/],
    [
      ["train", "--model", model],
      /model\.json: model config: mlpRatio is missing, expected a number above 0/,
    ],
    [["train", "--model", "SiT-M/2"], /unknown model 'SiT-M\/2'/],
    [
      ["train", "--preset", "smal"],
      /unknown preset 'smal', did you mean small\?; expected tiny, small, medium, or a model/,
    ],
    [
      ["train", "--preset", "tiny", "--patch-size", "5"],
      /model\.inputSize must be a multiple of patchSize 5, got 28/,
    ],
    [
      ["train", "--preset", "tiny", "--class-dropout", "3", "--keep-every", "7"],
      /classDropout must be from 0 to 1, got 3; keepEvery must be a multiple of checkpointEvery 6, got 7|keepEvery.*classDropout/,
    ],
    [["notebook", "run", join(folder, "nosuch.ipynb")], /there is no notebook at .*nosuch\.ipynb/],
    [
      ["sample", "x", "--out", join(folder, "s12.png")],
      /--out is a \.npz file, got .*s12\.png; --grid writes a picture/,
    ],
  ] as const) {
    const { code, stderr } = await run(
      ...args,
      ...(args[0] === "train" ? ["--data", await data, "--out", out] : []),
    );
    assert.is(code, 1, args.join(" "));
    assert.match(stderr, message);
    assert.is(stderr.trim().split("\n").length, 1, stderr);
  }
  assert.not.ok((await readdir(folder)).includes("run"));
});

test("learning rate, its schedule, averages, intervals and what is kept are options", async () => {
  const out = join(await temporaryFolder(), "run");
  const { code, stderr } = await run(
    ...["train", "--preset", "tiny", "--data", await data, "--out", out, "--steps", "8", "--seed", "-4"],
    ...["--learning-rate", "1e-3", "--warmup", "2", "--decay", "cosine", "--weight-decay", "0.1"],
    ...["--ema-decay", "0.9", "0.5", "--class-dropout", "0.2", "--max-gradient-norm", "2"],
    ...["--log-every", "2", "--checkpoint-every", "1", "--keep-checkpoints", "1", "--keep-every", "3"],
    ...["--sample-every", "4"],
  );
  assert.is(code, 0, stderr);
  const config = await configIn(out);
  assert.equal(config.learningRate, [
    { from: 0, to: 1e-3, steps: 2, shape: "linear" },
    { from: 1e-3, to: 0, steps: 6, shape: "cosine", start: 2 },
  ]);
  assert.equal(
    [config.seed, config.emaDecay, config.moreEmaDecays, config.classDropout, config.maxGradientNorm],
    [-4, 0.9, [0.5], 0.2, 2],
  );
  assert.is(config.adamW.weightDecay, 0.1);
  const steps = (await readdir(join(out, "checkpoints"))).map((name) => Number(/\d+/.exec(name)));
  assert.equal(
    steps.sort((a, b) => a - b),
    [3, 6, 8],
  );
  assert.equal((await readdir(join(out, "samples"))).sort(), ["step-00000004.png", "step-00000008.png"]);
  const lines = (await readFile(join(out, "metrics.jsonl"), "utf8")).trim().split("\n");
  assert.equal(
    lines.map((line) => JSON.parse(line).step),
    [2, 4, 6, 8],
  );

  // Each average follows the weights at its own pace, from checkpoint to checkpoint.
  const at = async (step: number) =>
    (await readCheckpoint(join(out, "checkpoints", `step-0000000${step}.safetensors`))).state;
  const [first, last] = [await at(3), await at(8)];
  const name = "x_embedder.proj.weight";
  const far = (state: typeof first, which: "ema" | "average"): number => {
    const average = which === "ema" ? state.ema : state.averages![0];
    const [a, b] = [average[name].dataSync(), state.params[name].dataSync()];
    return Math.hypot(...Array.from(a, (value, i) => value - b[i]));
  };
  for (const state of [first, last]) assert.ok(far(state, "average") < far(state, "ema"));
  const resumed = await run("train", "--out", out, "--resume", "--steps", "9");
  assert.is(resumed.code, 0, resumed.stderr);

  const sample = ["sample", out, "--count", "2", "--steps", "2", "--out", join(out, "..", "s.npz")];
  const wrong = await run(...sample, "--ema-decay", "0.7");
  assert.match(wrong.stderr, /keeps no moving average with decay 0\.7; expected 0\.9 or 0\.5/);
  assert.is((await run(...sample, "--ema-decay", "0.5")).code, 0);
  assert.match(
    (await run(...sample, "--model", "SiT-XL/2")).stderr,
    /--model is for the weights of --checkpoint/,
  );
});

test("a model that knows no classes stays one beside labelled images, and --classes 0 makes one", async () => {
  const folder = await temporaryFolder();
  const base = smallConfig();
  const free = join(folder, "free.json");
  await writeFile(free, JSON.stringify({ ...base.model, numClasses: 0 }));
  const images = { shape: [1, 8, 8], classes: 5 } as const;
  const classesOf = async (options: Partial<ConfigOptions>, given: TrainConfig = base): Promise<number> =>
    makeNetwork((await withModel(given, options as ConfigOptions, images)).model).classes;
  assert.is(await classesOf({}), 5);
  assert.is(await classesOf({ classes: 0 }), 0);
  assert.is(await classesOf({ model: free }), 0);
  assert.is(await classesOf({ model: free, classes: 3 }), 3);
  const none = { ...base, model: { ...base.model, numClasses: 0 } };
  assert.is(await classesOf({}, none), 0);
  assert.is(await classesOf({ model: "SiT-S/4" }, none), 0);
  assert.is(await classesOf({ model: "SiT-S/4", classes: 0 }), 0);

  const out = join(folder, "run");
  const train = ["train", "--preset", "tiny", "--data", await data, "--classes", "0"];
  const trained = await run(...train, "--out", out, "--steps", "2", "--sample-every", "2");
  assert.is(trained.code, 0, trained.stderr);
  assert.not.match(trained.stderr, /class|warn/i);
  assert.is((await configIn(out)).model.numClasses, 0);
  assert.equal(await readdir(join(out, "samples")), ["step-00000002.png"]);
  const npz = join(folder, "s.npz");
  const drawn = await run("sample", out, "--count", "2", "--steps", "2", "--out", npz);
  assert.is(drawn.code, 0, drawn.stderr);
});

test("a model follows images of one's own, whose size and classes need no file", async () => {
  const folder = await temporaryFolder();
  const images = join(folder, "imgs16");
  for (const [i, name] of ["cat", "dog", "owl"].entries()) {
    await mkdir(join(images, name), { recursive: true });
    for (let n = 0; n < 4; n++)
      await writeFile(join(images, name, `${n}.png`), await png(16, 16, 10 * i + n));
  }
  await writeFile(join(images, "cat", "x.bmp"), "BM");
  const train = ["train", "--preset", "tiny", "--images", images, "--steps", "2", "--batch-size", "4"];
  const own = join(folder, "own");
  const followed = await run(...train, "--out", own);
  assert.is(followed.code, 0, followed.stderr);
  const { model } = await configIn(own);
  assert.equal([model.inputSize, model.inChannels, model.numClasses], [16, 3, 3]);
  const on = await run("train", "--resume", "--out", own, "--steps", "3");
  assert.is(on.code, 0, on.stderr);

  const other = join(folder, "other");
  const chosen = await run(
    ...train,
    "--out",
    other,
    "--model",
    "SiT-S/8",
    "--size",
    "8",
    "--classes",
    "5",
    "--baseline",
  );
  assert.is(chosen.code, 0, chosen.stderr);
  const { model: small, methods } = await configIn(other);
  assert.equal(
    [small.inputSize, small.patchSize, small.depth, small.numClasses, methods.length],
    [8, 8, 12, 5, 0],
  );

  // A config from a file is what it says.
  const file = join(folder, "config.json");
  await writeFile(file, JSON.stringify(smallConfig()));
  const unfit = await run("train", "--config", file, "--images", images, "--out", join(folder, "c"));
  assert.match(
    unfit.stderr,
    /images in .*imgs16 \(the first has 16 x 16 pixels\) are 3x8x8, but the model expects 1x8x8/,
  );
  const prepared = await run("prepare", "images", images, join(folder, "prepared"), "--size", "8");
  assert.match(
    prepared.stderr,
    /left out 1 image of other kinds, such as cat\/x\.bmp; expected JPEG, PNG, WebP, GIF or TIFF/,
  );
});

test("classes, label files and seeds say what is drawn; wrong ones are refused before anything is written", async () => {
  const folder = await temporaryFolder();
  const out = join(folder, "run");
  const trained = await run("train", "--preset", "tiny", "--data", await data, "--out", out, "--steps", "2");
  assert.is(trained.code, 0, trained.stderr);
  const npz = join(folder, "s.npz");
  const sample = ["sample", out, "--steps", "2", "--out", npz];
  const labels = join(folder, "labels.txt");
  await writeFile(labels, "3\n1\n4\n");
  await writeFile(join(folder, "bad.txt"), "3\nfour\n");
  for (const [args, message] of [
    [["--class", "11", "--count", "3"], /class id 11 of image 0 is out of range; expected 0 to 9/],
    [["--class", "1", "2", "12", "--count", "3"], /class id 12 of image 2/],
    [
      ["--guidance", "2", "--guidance-interval", "0.9", "0.1"],
      /guidance interval must be two ascending times/,
    ],
    [["--guidance", "2", "--guidance-interval", "-1", "7"], /within \[0, 1\].*got \[-1, 7\]/],
    [
      ["--guidance", "2", "--guided-channels", "5"],
      /guided channels must be .* from 1 to the input's 1, got 5/,
    ],
    [["--sampler", "ddpm"], /sampler 'ddpm' is not one for an interpolant; expected euler, heun/],
    [["--labels", labels, "--class", "1"], /--class and --labels both say what is drawn/],
    [["--labels", labels, "--count", "5"], /labels\.txt has 3 labels, expected one for each of 5 images/],
    [["--labels", join(folder, "bad.txt")], /bad\.txt must hold class ids/],
    [["--labels", join(folder, "none.txt")], /Cannot read .*none\.txt/],
    [["--seeds", "1", "2", "--count", "3"], /--seeds has 2 seeds, expected one for each of 3 images/],
    [["--eta", "0.5", "--count", "1"], /eta .*ddim/],
    [["--guidance", "2", "--guidance-interval", "0.9", "0.1", "--count", "1"], /interval/],
    [["--png", out, "--count", "1"], /run is a run of ditlab, expected a folder of images or a new folder/],
  ] as const) {
    const { code, stderr } = await run(...sample, ...args);
    assert.is(code, 1, args.join(" "));
    assert.match(stderr, message);
  }
  assert.equal((await readdir(folder)).sort(), ["bad.txt", "labels.txt", "run"]);

  const drawn = async (...args: string[]): Promise<number[][]> => {
    const { code, stderr } = await run(...sample, ...args);
    assert.is(code, 0, stderr);
    const { data: pixels, shape } = (await readNpz(npz)).arr_0;
    const size = pixels.length / shape[0];
    return Array.from({ length: shape[0] }, (_, i) =>
      Array.from(pixels.slice(i * size, (i + 1) * size) as Uint8Array),
    );
  };
  const listed = await drawn("--labels", labels, "--png", join(folder, "png"));
  assert.is(listed.length, 3);
  assert.equal((await readdir(join(folder, "png"))).sort(), [
    "00000000.png",
    "00000001.png",
    "00000002.png",
    "ditlab.json",
  ]);
  assert.equal(await drawn("--class", "3", "1", "4", "--count", "3"), listed);
  // Image 0 of each seed, in whatever company.
  const [one] = await drawn("--seed", "7", "--count", "1");
  const several = await drawn("--seeds", "5", "7", "9", "--class", "0");
  assert.is(several.length, 3);
  assert.ok(one.every((value, i) => Math.abs(value - several[1][i]) <= 1));
  assert.not.equal(several[0], several[2]);
});

test("convert takes a run where it takes a checkpoint", async () => {
  const folder = await temporaryFolder();
  const out = join(folder, "run");
  await run("train", "--preset", "tiny", "--data", await data, "--out", out, "--steps", "2");
  const [state, weights] = [join(folder, "state.pt"), join(folder, "ema.safetensors")];
  const exported = await run("convert", out, state);
  assert.match(exported.stdout, /^training state of step 2: /, exported.stderr);
  assert.is((await run("convert", out, weights, "--weights", "ema")).code, 0);
  const { model } = await configIn(out);
  const { state: expected, config } = await readCheckpoint(
    join(out, "checkpoints", "step-00000002.safetensors"),
  );
  for (const path of [state, weights]) {
    const { params } = await loadModel(path, model, { heads: headShapes(makeTask(config)) });
    for (const [name, tensor] of Object.entries(expected.ema))
      assert.equal(params[name].dataSync(), tensor.dataSync(), name);
  }
  await mkdir(join(folder, "empty"));
  assert.match(
    (await run("convert", join(folder, "empty"), state)).stderr,
    /empty holds no checkpoint; expected a run folder/,
  );
});

test.run();
