/** `ditlab probe`: what it measures, writes, keeps and refuses. */
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadDataset } from "../../lib/data/index.ts";
import { loadSource } from "../../lib/pipeline/index.ts";
import { featureExtractor, featureNorms, linearProbe } from "../../lib/probe/index.ts";
import { png } from "../data/images.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { smallConfig } from "../train/small.ts";
import { appears, ditlab, smallIdxFolder } from "./helpers.ts";

const data = await smallIdxFolder();
const folder = await temporaryFolder();
const env = { DITLAB_HOME: await temporaryFolder() };
const run = join(folder, "run");
const cache = join(folder, "features");
const checkpoint = join(run, "checkpoints", "step-00000006.safetensors");

const SIZES = ["--train-count", "300", "--test-count", "120"];
const QUICK = [
  ...SIZES,
  "--epochs",
  "40",
  "--batch-size",
  "100",
  "--learning-rate",
  "0.02",
  "--cache",
  cache,
];
const probe = (...args: string[]) => ditlab(["probe", ...args], env);

test.before(async () => {
  const { code, stderr } = await ditlab(
    [
      ...[
        "train",
        "--preset",
        "tiny",
        "--data",
        data,
        "--out",
        run,
        "--steps",
        "6",
        "--checkpoint-every",
        "3",
      ],
      ...["--seed", "2", "--class-dropout", "0"],
    ],
    env,
  );
  assert.is(code, 0, stderr);
});

test("accuracies are those of the library, of teacher and student, by block and time", async () => {
  const out = join(folder, "probes");
  const args = [
    run,
    ...QUICK,
    "--blocks",
    "1",
    "3",
    "--times",
    "0.2",
    "0.6",
    "--weights",
    "both",
    "--seed",
    "5",
  ];
  const { code, stdout, stderr } = await probe(...args, "--out", out);
  assert.is(code, 0, stderr);
  const { format, step, classes, recipe, probes, trainCount } = JSON.parse(
    await readFile(join(out, "probe.json"), "utf8"),
  );
  assert.equal(
    [format, step, classes, trainCount, recipe],
    ["ditlab-probe/1", 6, 10, 300, { epochs: 40, batchSize: 100, learningRate: 0.02 }],
  );
  assert.is(probes.length, 8);
  const { train, test: held } = await loadDataset("mnist", { folder: data });
  for (const [weights, name] of [
    ["teacher", "ema"],
    ["student", "model"],
  ] as const) {
    const { network, params, process } = await loadSource(run, { weights: name });
    const extractor = featureExtractor(network, process, [1, 3]);
    const [a, b] = [
      await extractor.extract(params, train, { count: 300, seed: 5, time: 0.6 }),
      await extractor.extract(params, held, { count: 120, seed: 6, time: 0.6 }),
    ];
    await extractor.dispose();
    const expected = await linearProbe(a, a.labels, b, b.labels, { ...recipe, classes: 10, seed: 5 });
    const got = probes.filter(
      (one: { weights: string; time: number }) => one.weights === weights && one.time === 0.6,
    );
    assert.equal(
      got.map(({ block, accuracy }: { block: number; accuracy: number }) => [block, accuracy]),
      [1, 3].map((block, i) => [block, expected[i]]),
    );
  }
  const different = new Set(probes.map(({ accuracy }: { accuracy: number }) => accuracy));
  assert.ok(different.size > 2, [...different].join());
  assert.match(
    stdout,
    /^accuracy \(%\), teacher\nblock {2}t = 0\.2 {2}t = 0\.6\n1 +\d+\.\d\d +\d+\.\d\d\n3 /,
  );
  const markdown = await readFile(join(out, "probe.md"), "utf8");
  assert.match(
    markdown,
    /at step 6: .* 40 epochs in batches of 100, Adam with a cosine from 0\.02 to 0\. 300 training/,
  );
  assert.match(markdown, /## accuracy \(%\), student\n\n\| block \| t = 0\.2 \| t = 0\.6 \|/);
  const csv = (await readFile(join(out, "probe.csv"), "utf8")).trim().split("\n");
  assert.equal([csv.length, csv[0]], [9, "weights,time,block,accuracy"]);

  // Again, from a checkpoint file, and more of it: features that there are stay as they were written.
  const names = await readdir(cache);
  // Two sets of images, weights, times and blocks.
  assert.is(names.length, 16);
  const written = await Promise.all(names.map(async (name) => (await stat(join(cache, name))).ino));
  const again = await probe(checkpoint, ...args.slice(1), "--json", "--out", out);
  assert.is(again.code, 0, again.stderr);
  assert.equal(JSON.parse(again.stdout).probes, probes);
  assert.equal(await readdir(cache), names);
  assert.equal(await Promise.all(names.map(async (name) => (await stat(join(cache, name))).ino)), written);
});

test("norms are those of every checkpoint, oldest first", async () => {
  const out = join(folder, "norms");
  const args = [run, "--norms", "--train-count", "60", "--times", "0.3", "--weights", "both", "--out", out];
  const { code, stdout, stderr } = await probe(...args);
  assert.is(code, 0, stderr);
  const { norms, count } = JSON.parse(await readFile(join(out, "norms.json"), "utf8"));
  assert.is(count, 60);
  assert.equal(
    norms.map(({ step, weights, block }: Record<string, unknown>) => [step, weights, block].join(" ")),
    [3, 6].flatMap((step) =>
      ["teacher", "student"].flatMap((weights) => [1, 2, 3].map((block) => `${step} ${weights} ${block}`)),
    ),
  );
  const { network, params, process } = await loadSource(checkpoint, { weights: "model" });
  const meter = featureNorms(network, process);
  const { train } = await loadDataset("mnist", { folder: data });
  const { mean, deviation } = await meter.extract(params, train, { count: 60, seed: 0, time: 0.3 });
  await meter.dispose();
  const last = norms.slice(-3) as { mean: number; deviation: number }[];
  last.forEach((norm, i) => {
    assert.ok(Math.abs(norm.mean - mean[i]) < 1e-5 && Math.abs(norm.deviation - deviation[i]) < 1e-5);
  });
  assert.match(
    stdout,
    /^mean norm of tokens .*, teacher, t = 0\.3\nstep {2}block 1 +block 2 +block 3\n3 +[\d.]+ ± /,
  );
  assert.is((await readFile(join(out, "norms.csv"), "utf8")).trim().split("\n").length, 13);
});

test("images of one's own are probed beside others of the same classes", async () => {
  const [train, held] = [join(folder, "train"), join(folder, "held")];
  for (const [at, count] of [
    [train, 6],
    [held, 3],
  ] as const)
    for (const name of ["cat", "dog"]) {
      await mkdir(join(at, name), { recursive: true });
      for (let n = 0; n < count; n++) await writeFile(join(at, name, `${n}.png`), await png(8, 8, n));
    }
  const config = join(folder, "colour.json");
  const base = smallConfig();
  await writeFile(config, JSON.stringify({ ...base, model: { ...base.model, inChannels: 3 }, steps: 1 }));
  const own = join(folder, "own");
  const trained = await ditlab(["train", "--config", config, "--images", train, "--out", own], env);
  assert.is(trained.code, 0, trained.stderr);
  const out = join(folder, "own-probes");
  const args = [own, "--epochs", "2", "--times", "0.5", "--cache", cache, "--out", out];
  assert.match(
    (await probe(...args)).stderr,
    /probes of .*train are measured on other images; expected --test-images/,
  );
  const { code, stdout, stderr } = await probe(...args, "--test-images", held, "--json");
  assert.is(code, 0, stderr);
  const { trainCount, testCount, classes, probes } = JSON.parse(stdout);
  assert.equal([trainCount, testCount, classes, probes.length], [12, 6, 2, 2]);
  const norms = await probe(own, "--norms", "--times", "0.5", "--out", out);
  assert.is(norms.code, 0, norms.stderr);
});

test("what is wrong is one sentence, before anything is computed", async () => {
  const out = join(folder, "wrong");
  const lone = join(folder, "lone.safetensors");
  await writeFile(lone, await readFile(checkpoint));
  for (const [args, code, message] of [
    [[], 2, /missing required argument 'run'/],
    [[run, "--epochs", "0"], 2, /--epochs.*1 or more/s],
    [[run, "--weights", "ema"], 2, /'ema' is invalid.*teacher, student, both/s],
    [[join(folder, "none")], 1, /there is no run folder or checkpoint at .*none/],
    [[lone], 1, /lone\.safetensors does not say what it was trained on; expected --dataset, or --images/],
    [[run, "--blocks", "4"], 1, /block must be an integer from 1 to the depth 3, got 4/],
    [[run, "--times", "1.5"], 1, /a noise level is from 0 \(data\) to 1 \(noise\), got 1\.5/],
    [[run, "--learning-rate", "0"], 1, /probe: learningRate must be a number above 0, got 0/],
    [[run, "--train-count", "1501"], 1, /--train-count 1501 is more than the 1500 images that there are/],
    [[run, "--dataset", "mnist", "--images", "x"], 1, /--dataset and --images both say what is probed/],
    [[run, "--test-images", "x"], 1, /--test-images are beside --images; the data set mnist has/],
    [[run, "--model", "SiT-XL/2"], 1, /has a model of its own/],
    [[run, "--out", run], 1, /run is a run of ditlab, expected a folder of probes or a new folder/],
  ] as const) {
    const outcome = await probe(...args, ...(args.includes("--out" as never) ? [] : ["--out", out]));
    assert.is(outcome.code, code, `${args.join(" ")}: ${outcome.stderr}`);
    assert.match(outcome.stderr, message);
    if (code === 1)
      assert.is(
        outcome.stderr
          .trim()
          .split("\n")
          .filter((line) => line.startsWith("ditlab: ")).length,
        1,
      );
  }
  assert.equal(
    (await readdir(out)).filter((name) => name !== "ditlab.json"),
    [],
  );
});

test("pictures are PNG files by weights and noise level, and not beside norms", async () => {
  const out = join(folder, "pictures");
  const args = [run, "--pictures", "--times", "0.2", "0.6", "--weights", "both", "--blocks", "1", "3"];
  const { code, stdout, stderr } = await probe(...args, "--train-count", "5", "--out", out, "--json");
  assert.is(code, 0, stderr);
  const names = ["teacher", "student"].flatMap((name) => [0.2, 0.6].map((t) => `pictures-${name}-t${t}.png`));
  assert.equal(
    JSON.parse(stdout),
    names.map((name) => join(out, name)),
  );
  for (const name of names) {
    const { width, height } = await sharp(join(out, name)).metadata();
    // Five images; one column for them and one for each block.
    assert.ok(width! > 900 && Math.abs(height! / width! - 5 / 3) < 0.02, `${width} x ${height}`);
  }
  const both = await probe(run, "--pictures", "--norms", "--out", out);
  assert.is(both.code, 2);
  assert.match(both.stderr, /'--pictures' cannot be used with option '--norms'/);
  const many = await probe(run, "--pictures", "--train-count", "1000000", "--out", out);
  assert.match(many.stderr, /--train-count 1000000 is more than the \d+ images that there are/);
});

test("a command that is stopped says so, and goes on with the features that are there", async () => {
  const [out, kept] = [join(folder, "stopped"), join(folder, "kept")];
  const args = [
    run,
    "--cache",
    kept,
    "--out",
    out,
    "--times",
    "0.1",
    "--epochs",
    "100000",
    "--batch-size",
    "10",
  ];
  const stopped = await ditlab(["probe", ...args], env, async (child) => {
    for (let i = 0; i < 600; i++) {
      // Features of 1500 and 500 images after three blocks.
      const names = await readdir(kept).catch(() => []);
      if (names.filter((name) => name.endsWith(".safetensors")).length === 6) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    child.kill("SIGINT");
  });
  assert.is(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, /Stopped\. The same command goes on with the features that are on disk\.$/m);
  const files = await readdir(kept);
  assert.is(files.length, 6);
  const later = await probe(...args.slice(0, -4), "--epochs", "1");
  assert.is(later.code, 0, later.stderr);
  assert.equal(await readdir(kept), files);
  await appears(join(out, "probe.json"));
  await rm(kept, { recursive: true });
});

test.run();
