import { existsSync } from "node:fs";
import { access, copyFile, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openTrainingData, type TrainingData } from "../../lib/data/index.ts";
import { DIT_PROCESS } from "../../lib/diffusion/index.ts";
import { parseResults } from "../../lib/experiments/index.ts";
import { readNpz, readSafetensors, toTensor, toUint8Images, writeTorch } from "../../lib/io/index.ts";
import { loadModel } from "../../lib/models/index.ts";
import { readReferenceState } from "../../lib/train/index.ts";
import { decode, readVAE } from "../../lib/vae/index.ts";
import { png, writeFiles } from "../data/images.ts";
import { fixture, temporaryFolder } from "../io/helpers.ts";
import { TINY } from "../parity.ts";
import { smallConfig } from "../train/small.ts";
import { appears, ditlab, smallIdxFolder } from "./helpers.ts";

const data = smallIdxFolder();
/** Caches of their own: the feature network of these images must not meet the user's. */
const home = temporaryFolder();

test("--help and --version answer on stdout with exit code 0, for every command", async () => {
  const { code, stdout } = await ditlab(["--help"]);
  assert.is(code, 0);
  for (const command of ["demo", "train", "sample", "evaluate", "convert", "probe", "profile"]) {
    assert.match(stdout, command);
    const help = await ditlab([command, "--help"]);
    assert.is(help.code, 0);
    assert.match(help.stdout, `Usage: ditlab ${command}`);
  }
  const { version } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  assert.is((await ditlab(["--version"])).stdout.trim(), version);
});

test("wrong usage is exit code 2 and names the option or command", async () => {
  for (const [args, message] of [
    [["bogus"], /unknown command 'bogus'/],
    [["train", "--steps", "0"], /--steps.*1 or more/s],
    [["demo", "--scale", "huge"], /'huge' is invalid.*tiny, small, medium/s],
    [["sample", "--sampler", "dpm"], /'dpm' is invalid.*euler-maruyama.*sde/s],
  ] as const) {
    const { code, stderr } = await ditlab([...args]);
    assert.is(code, 2, args.join(" "));
    assert.match(stderr, message);
  }
});

test("a failure is exit code 1 and one line", async () => {
  const folder = await temporaryFolder();
  for (const [args, message] of [
    [["sample", join(folder, "nothing")], /no run folder or checkpoint at/],
    [["sample"], /^ditlab: expected a run folder or checkpoint of ours, or --checkpoint and --model$/m],
    [["sample", "--checkpoint", "x.pt", "--model", "SiT-M/2"], /unknown model 'SiT-M\/2'/],
    [["sample", "--checkpoint", "x.pt"], /--checkpoint needs --model, for example --model SiT-XL\/2/],
    [["sample", "--checkpoint", join(folder, "x.pt"), "--model", "SiT-S/2"], /x\.pt: there is no such file/],
    [["evaluate", join(folder, "nothing.npz"), "--data", await data], /nothing\.npz/],
    [["train", "--data", folder, "--out", join(folder, "run")], /train-images-idx3-ubyte/],
    [["train", "--resume", "--out", join(folder, "run")], /holds no checkpoint/],
    [
      ["train", "--preset", "sit-x-2"],
      /unknown preset 'sit-x-2'; expected tiny, small, medium, or a model and a resolution/,
    ],
  ] as const) {
    const { code, stderr } = await ditlab([...args], { DITLAB_HOME: await home });
    assert.is(code, 1, `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, message);
    assert.not.match(stderr, /\n\s+at /);
  }
});

test("weights of PyTorch are sampled from, in shards as at once", async () => {
  const folder = await temporaryFolder();
  const config = join(folder, "dit.json");
  // As ditlab 0.1 and 0.2 wrote a model; what is written now says the process beside it.
  const { type: _, ...diffusion } = DIT_PROCESS;
  await writeFile(config, JSON.stringify({ ...TINY, projectionHead: true, diffusion }));
  const checkpoint = join(folder, "dit.pt");
  const { tensors } = await readSafetensors(fixture("dit-ema.safetensors"));
  await writeTorch(checkpoint, { ema: tensors, steps: 1 });
  const run = async (out: string, ...more: string[]): Promise<Float32Array> => {
    const { code, stderr } = await ditlab([
      ...["sample", "--checkpoint", checkpoint, "--model", config, "--out", join(folder, out)],
      ...["--steps", "3", "--batch-size", "2", "--guidance", "3", ...more],
    ]);
    assert.is(code, 0, stderr);
    const { arr_0: latents } = await readNpz(join(folder, out));
    assert.equal(latents.shape.slice(1), [4, 8, 8]);
    return latents.data as Float32Array;
  };
  const all = await run("all.npz", "--count", "5");
  const [head, tail] = [
    await run("head.npz", "--count", "3"),
    await run("tail.npz", "--count", "2", "--first", "3"),
  ];
  const shards = Float32Array.of(...head, ...tail);
  assert.is(shards.length, all.length);
  const difference = Math.max(...shards.map((value, i) => Math.abs(value - all[i])));
  const largest = Math.max(...all.map(Math.abs));
  assert.ok(difference < 1e-5 * largest && largest > 0.1, `${difference} of ${largest}`);

  const vae = join(folder, "vae");
  await mkdir(vae);
  await copyFile(fixture("vae-config.json"), join(vae, "config.json"));
  await copyFile(fixture("vae.safetensors"), join(vae, "diffusion_pytorch_model.safetensors"));
  const out = join(folder, "images.npz");
  const args = ["sample", "--checkpoint", checkpoint, "--model", config, "--steps", "2", "--count", "3"];
  const decoded = await ditlab([
    ...args,
    ...["--out", out, "--vae", vae, "--batch-size", "2", "--grid", join(folder, "grid.png")],
  ]);
  assert.is(decoded.code, 0, decoded.stderr);
  const { arr_0: images } = await readNpz(out);
  assert.equal([images.dtype, images.shape], ["uint8", [3, 32, 32, 3]]);
  assert.ok(new Set(images.data as Uint8Array).size > 20, "more than a few shades");
  // The reference rounds what the VAE decodes down; of two programs' roundings a few may turn.
  const latents = join(folder, "latents.npz");
  assert.is((await ditlab([...args, "--out", latents])).code, 0);
  const { config: vaeConfig, params } = await readVAE(vae);
  const direct = decode(params, vaeConfig, toTensor((await readNpz(latents)).arr_0));
  const want = toUint8Images(direct.dataSync() as Float32Array, direct.shape, "down").data;
  const turned = want.reduce((count, value, i) => count + Number(value !== images.data[i]), 0);
  assert.ok(turned < 0.02 * want.length, `${turned} of ${want.length}`);
});

test("a dry run says what training will take", async () => {
  const folder = await temporaryFolder();
  const config = join(folder, "config.json");
  await writeFile(config, JSON.stringify(smallConfig()));
  const args = ["train", "--config", config, "--out", join(folder, "run"), "--dry-run"];
  const { code, stdout, stderr } = await ditlab(args);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^parameters +\d/);
  assert.match(stdout, /^time +at most .* a step \(\d+ GFLOP\/s\), .* in all$/m);
  assert.not.ok(existsSync(join(folder, "run")));
  const { stepSeconds, memory } = JSON.parse((await ditlab([...args, "--json"])).stdout);
  assert.ok(stepSeconds > 0 && memory.activations > 0);
});

test("checkpoints come from the reference and go back", async () => {
  const folder = await temporaryFolder();
  const reference = fixture("sit-checkpoint.pt");
  const weights = join(folder, "ema.safetensors");
  assert.is((await ditlab(["convert", reference, weights, "--weights", "ema"])).code, 0);
  const expected = (await loadModel(reference, TINY)).params;
  const same = async (path: string): Promise<void> => {
    const { params } = await loadModel(path, TINY);
    for (const [name, tensor] of Object.entries(expected))
      assert.equal(params[name].dataSync(), tensor.dataSync(), name);
  };
  await same(weights);

  const config = join(folder, "config.json");
  await writeFile(config, JSON.stringify(smallConfig({ model: TINY, steps: 4 })));
  const run = join(folder, "run");
  const imported = await ditlab(["convert", reference, run, "--config", config]);
  assert.is(imported.code, 0, imported.stderr);
  const checkpoint = join(run, "checkpoints", "step-00000003.safetensors");
  assert.is(imported.stdout.trim(), checkpoint);
  await same(checkpoint);
  const back = join(folder, "back.pt");
  assert.match((await ditlab(["convert", checkpoint, back])).stdout, /^training state of step 3: /);
  await same(back);
  const { state, steps } = await readReferenceState(back, smallConfig({ model: TINY }));
  assert.equal([steps, state.optimizer.step.dataSync()[0]], [3, 3]);

  // A preset's model is not the file's; lambda as the released code has it is part of what goes on.
  const twice = await ditlab(["convert", reference, run, "--config", config]);
  assert.is(twice.code, 1);
  assert.match(twice.stderr, /run already holds a run .*choose another folder/);
  await same(checkpoint);
  const preset = await ditlab(["convert", reference, join(folder, "new"), "--config", "sit-s-8-imagenet256"]);
  assert.is(preset.code, 1);
  assert.match(preset.stderr, /transformer \(depth 12, width 384\) of .*missing/);
  const other = join(folder, "other");
  const small = join(folder, "latents.json");
  await writeFile(small, JSON.stringify(smallConfig({ model: { ...TINY, inputSize: 32 }, steps: 4 })));
  const unfit = await ditlab(["convert", reference, other, "--config", small, "--align-weight", "reference"]);
  assert.match(unfit.stderr, /pos_embed \(expected \[1,256,24\], got \[1,16,24\]\)/);
  const weighted = ["convert", reference, other, "--config", config, "--align-weight", "0.5"];
  assert.is((await ditlab(weighted)).code, 0);
  assert.is(JSON.parse(await readFile(join(other, "config.json"), "utf8")).methods[0].weight, 0.5);

  const { code, stderr } = await ditlab(["convert", reference, join(folder, "out.bin")]);
  assert.is(code, 1);
  assert.match(stderr, /expected --weights .* got .*sit-checkpoint\.pt and .*out\.bin/);
});

test("profile prints where a step's time goes, and writes a page and the graph", async () => {
  const folder = await temporaryFolder();
  const [page, graph] = [join(folder, "new", "profile.html"), join(folder, "step.onnx")];
  const args = ["profile", "--preset", "tiny", "--runs", "1", "--batch-size", "4", "--data", await data];
  const { code, stdout, stderr } = await ditlab([...args, "--html", page, "--onnx", graph]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^trainStep: .* GFLOP\/s/);
  for (const part of ["student/blocks/mlp/gradient", "teacher/blocks/attention", "optimizer", "ema"])
    assert.match(stdout, part);
  assert.match(await readFile(page, "utf8"), /^<!doctype html>.*<svg/s);
  assert.match((await readFile(graph)).toString("latin1"), "student/blocks.0/attention/");
  const baseline = await ditlab([...args, "--baseline", "--json"]);
  const { name, parts } = JSON.parse(baseline.stdout);
  assert.is(name, "trainStep");
  assert.not(parts.some(({ part }: { part: string }) => part.startsWith("teacher")));
});

test("train, stop with Ctrl-C, resume, sample and evaluate", async () => {
  const folder = await temporaryFolder();
  const out = join(folder, "run");
  const common = ["--data", await data, "--out", out];
  const env = { DITLAB_HOME: await home };

  const stopped = await ditlab(
    ["train", "--preset", "tiny", "--steps", "100000", ...common],
    env,
    async (child) => {
      await appears(join(out, "metrics.jsonl"));
      child.kill("SIGINT");
    },
  );
  assert.is(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, `Go on with: ditlab train --out ${out} --resume`);
  const step = Number(/Saved step (\d+)/.exec(stopped.stderr)?.[1]);
  assert.ok(step > 0);

  const resumed = await ditlab(["train", "--resume", "--steps", `${step + 5}`, "--json", "--out", out], env);
  assert.is(resumed.code, 0, resumed.stderr);
  assert.is(JSON.parse(resumed.stdout).step, step + 5);

  const [npz, grid] = [join(folder, "samples.npz"), join(folder, "grid.png")];
  const sampled = await ditlab(
    [
      "sample",
      out,
      "--count",
      "12",
      "--steps",
      "4",
      "--sampler",
      "euler-maruyama",
      "--guidance",
      "1.5",
      "--out",
      npz,
      "--grid",
      grid,
    ],
    env,
  );
  assert.is(sampled.code, 0, sampled.stderr);
  const { arr_0: samples } = await readNpz(npz);
  assert.equal([samples.dtype, samples.shape], ["uint8", [12, 28, 28, 3]]);
  assert.equal((await readFile(grid)).subarray(1, 4).toString(), "PNG");

  // Cut into parts, a run gives the same images, because each draws from a generator of its own.
  const again = await ditlab(
    [
      "sample",
      out,
      "--count",
      "12",
      "--steps",
      "4",
      "--sampler",
      "euler-maruyama",
      "--guidance",
      "1.5",
      "--batch-size",
      "5",
      "--out",
      npz,
    ],
    env,
  );
  assert.is(again.code, 0, again.stderr);
  const other = (await readNpz(npz)).arr_0.data as Uint8Array;
  const far = other.filter((value, i) => Math.abs(value - (samples.data as Uint8Array)[i]) > 1);
  assert.is(far.length, 0);

  const evaluated = await ditlab(
    ["evaluate", npz, "--data", await data, "--reference", "500", "--json"],
    env,
  );
  assert.is(evaluated.code, 0, evaluated.stderr);
  const result = JSON.parse(evaluated.stdout);
  assert.equal([result.samples, result.reference, result.suite], [12, 500, "small-cnn/2"]);
  assert.ok(result.frechet > 0 && result.inceptionScore >= 1);
});

test("the demo writes results and a report, and goes on after Ctrl-C", async () => {
  const out = join(await temporaryFolder(), "demo");
  const args = ["demo", "--scale", "tiny", "--data", await data, "--out", out];
  const env = { DITLAB_HOME: await home };
  const stopped = await ditlab(args, env, async (child) => {
    await appears(join(out, "sra-seed0", "metrics.jsonl"));
    child.kill("SIGINT");
  });
  assert.is(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, "--resume");
  const finished = await readFile(join(out, "baseline-seed0", "metrics.jsonl"), "utf8");

  const { code, stdout, stderr } = await ditlab([...args, "--resume"], env);
  assert.is(code, 0, stderr);
  assert.match(stdout, /Frechet distance .*report\.html/s);
  assert.is(await readFile(join(out, "baseline-seed0", "metrics.jsonl"), "utf8"), finished);
  const results = parseResults(await readFile(join(out, "results.json"), "utf8"));
  assert.equal(
    results.arms.map(({ name, runs }) => [
      name,
      runs.map((run) => [run.seed, run.evaluations.map((e) => e.step)]),
    ]),
    ["baseline", "sra"].map((arm) => [arm, [0, 1].map((seed) => [seed, [15, 30]])]),
  );
  for (const run of results.arms.flatMap((arm) => arm.runs)) {
    assert.is(run.curve.losses.generative.length, run.curve.step.length);
    assert.is(run.evaluations[0].probe[0].accuracy.length, 3);
    await access(join(out, run.samples));
  }
  assert.match(await readFile(join(out, "report.html"), "utf8"), "data:image/png;base64,");
});

test("prepare makes images, latents and shards, and train reads each of them", async () => {
  const folder = await temporaryFolder();
  const at = (name: string): string => join(folder, name);
  for (let i = 0; i < 6; i++)
    await writeFiles(at("raw"), { [`class-${i % 2}/${i}.png`]: await png(40, 33, i) });
  await writeFiles(at("raw"), { "class-0/broken.png": "no image" });
  await writeFiles(at("vae"), {
    "config.json": await readFile(fixture("vae-config.json")),
    "diffusion_pytorch_model.safetensors": await readFile(fixture("vae.safetensors")),
  });
  const images = await ditlab(["prepare", "images", at("raw"), at("images"), "--size", "32"]);
  assert.is(images.code, 0, images.stderr);
  assert.match(images.stdout, /images: 6 images; 1 could not be read/);
  assert.match(images.stderr, /left out class-0\/broken\.png: /);
  const latents = await ditlab(["prepare", "latents", at("images"), at("latents"), "--vae", at("vae")]);
  assert.match(latents.stdout, /latents: 6 latents$/m, latents.stderr);
  const again = await ditlab([
    "prepare",
    "latents",
    at("images"),
    at("latents"),
    "--vae",
    at("vae"),
    "--json",
  ]);
  assert.equal(JSON.parse(again.stdout), {
    count: 6,
    written: 0,
    skipped: 6,
    broken: [],
    others: [],
    finished: true,
  });
  const shards = await ditlab(["prepare", "shards", at("latents"), at("shards"), "--shard-size", "2"]);
  assert.match(shards.stdout, /shards: 6 examples$/m, shards.stderr);

  const { shape } = (await openTrainingData(at("shards"), { inputSize: 1 })) as TrainingData;
  const model = { ...smallConfig().model, inChannels: shape[0], inputSize: shape[1], patchSize: 2 };
  const config = smallConfig({ model, batchSize: 4, steps: 2 });
  await writeFiles(folder, { "config.json": JSON.stringify(config) });
  const train = (out: string, ...args: string[]) =>
    ditlab(["train", "--config", at("config.json"), "--out", at(out), "--json", ...args]);
  for (const [source, ...args] of [["shards"], ["latents"], ["raw-ok", "--vae", at("vae")]]) {
    if (source === "raw-ok") {
      await cp(at("raw"), at("raw-ok"), { recursive: true });
      await rm(at("raw-ok/class-0/broken.png"));
    }
    const run = await train(`run-${source}`, "--images", at(source), "--align-weight", "0.3", ...args);
    assert.is(run.code, 0, run.stderr);
    assert.is(JSON.parse(run.stdout).step, 2);
    const saved = JSON.parse(await readFile(join(at(`run-${source}`), "config.json"), "utf8"));
    assert.is(saved.methods[0].weight, 0.3);
  }
  const none = await train("none", "--images", at("nowhere"));
  assert.match(none.stderr, /Cannot read .*nowhere: there is no such folder or file/);
  const wrong = await train("wrong", "--images", at("images"));
  assert.match(
    wrong.stderr,
    /images in .*images \(the first has \d+ x \d+ pixels\) are 3x\d+x\d+, but the model expects \d+x\d+x\d+/,
  );
  const preset = await ditlab(["train", "--preset", "sit-s-2-imagenet256"]);
  assert.match(preset.stderr, /--preset sit-s-2-imagenet256 needs --images/);
});

test.run();
