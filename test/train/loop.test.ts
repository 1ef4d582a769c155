import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Batch } from "../../lib/align/index.ts";
import { readJsonLines, readSafetensors } from "../../lib/io/index.ts";
import { disposeTree, flattenTree, tf } from "../../lib/tensor/index.ts";
import {
  type LogEntry,
  latestCheckpoint,
  listCheckpoints,
  type TrainConfig,
  train,
} from "../../lib/train/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { SMALL_SRA, smallConfig, smallImages } from "./small.ts";

const images = smallImages();

/** The bytes of every tensor in a run's newest checkpoint. */
async function weightsOf(folder: string): Promise<Record<string, string>> {
  const all = await listCheckpoints(join(folder, "checkpoints"));
  const { tensors } = await readSafetensors(all[all.length - 1].path);
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { data }]) => [
      name,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
    ]),
  );
}

const losses = async (folder: string): Promise<number[][]> =>
  (await readJsonLines<LogEntry>(join(folder, "metrics.jsonl"))).map((e) => [
    e.step,
    e.generative,
    e.sra,
    e.gradientNorm,
  ]);

async function uninterrupted(): Promise<string> {
  const folder = await temporaryFolder();
  await train(smallConfig(), { folder, images });
  return folder;
}

test("the same seed gives the same run, another seed another", async () => {
  const [a, b, c] = [await uninterrupted(), await uninterrupted(), await temporaryFolder()];
  await train(smallConfig({ seed: 4 }), { folder: c, images });
  assert.equal(await weightsOf(a), await weightsOf(b));
  assert.equal(await losses(a), await losses(b));
  assert.not.equal(await losses(a), await losses(c));
});

test("training lowers the losses", async () => {
  const folder = await temporaryFolder();
  const first = smallImages(8);
  await train(smallConfig({ steps: 80, classDropout: 0, logEvery: 10 }), { folder, images: first });
  const rows = await losses(folder);
  assert.ok(rows[7][1] < 0.8 * rows[0][1], `generative ${rows[0][1]} to ${rows[7][1]}`);
  assert.ok(rows[7][2] < 0.8 * rows[0][2], `sra ${rows[0][2]} to ${rows[7][2]}`);
});

test("a run folder holds config, metrics, events and the newest checkpoints", async () => {
  const folder = await uninterrupted();
  const names = await readdir(folder);
  for (const name of ["config.json", "metrics.jsonl", "checkpoints"]) assert.ok(names.includes(name), name);
  assert.ok(names.some((name) => name.startsWith("events.out.tfevents")));
  assert.equal(
    (await listCheckpoints(join(folder, "checkpoints"))).map(({ step }) => step),
    [10, 12],
  );
  assert.equal(JSON.parse(await readFile(join(folder, "config.json"), "utf8")), smallConfig());
  assert.equal((await losses(folder)).length, 12);
});

test("stopped by a signal and resumed, a run ends with the same weights bit by bit", async () => {
  const reference = await uninterrupted();
  const folder = await temporaryFolder();
  for (const stopAt of [3, 7, 12]) {
    const controller = new AbortController();
    const result = await train(smallConfig(), {
      folder,
      images,
      resume: stopAt > 3,
      signal: controller.signal,
      onProgress: ({ step }) => step === stopAt && controller.abort(),
    });
    assert.is(result.step, stopAt);
  }
  assert.equal(await weightsOf(folder), await weightsOf(reference));
  assert.equal(await losses(folder), await losses(reference));
});

test("in several runs a step, or with blocks computed again, a run is the same but for rounding, and resumes bit by bit", async () => {
  const config = smallConfig({ accumulate: 2, remat: true });
  const [whole, parts] = [await temporaryFolder(), await temporaryFolder()];
  await train(config, { folder: whole, images });
  const controller = new AbortController();
  await train(config, {
    folder: parts,
    images,
    signal: controller.signal,
    onProgress: ({ step }) => step === 5 && controller.abort(),
  });
  await train(config, { folder: parts, images, resume: true });
  assert.equal(await weightsOf(parts), await weightsOf(whole));
  const [rows, reference] = [await losses(whole), await losses(await uninterrupted())];
  for (const [i, row] of rows.entries()) {
    for (const [j, value] of row.entries())
      assert.ok(Math.abs(value / reference[i][j] - 1) < 1e-4, `${row} and ${reference[i]}`);
  }
});

test("dynamic loss scaling is resumed bit by bit, counted in the log, and turned on and off by a resume", async () => {
  const config = smallConfig({ precision: "float16", lossScaling: "dynamic" });
  const [whole, parts] = [await temporaryFolder(), await temporaryFolder()];
  await train(config, { folder: whole, images });
  await train({ ...config, steps: 5 }, { folder: parts, images });
  await train(config, { folder: parts, images, resume: true });
  const weights = await weightsOf(whole);
  assert.equal(await weightsOf(parts), weights);
  const floats = (text: string) => [...new Float32Array(new Uint8Array(Buffer.from(text, "base64")).buffer)];
  const scaling = ["scale", "finite", "skipped"].map((name) => floats(weights[`lossScale/${name}`])[0]);
  assert.equal(scaling, [65536, 12, 0]);
  const rows = await readJsonLines<LogEntry>(join(whole, "metrics.jsonl"));
  assert.equal([rows[11].lossScale, rows[11].skippedSteps], [65536, 0]);
  // On a processor nothing is rounded, and a power of two changes no digit.
  assert.equal(await losses(whole), await losses(await uninterrupted()));

  const { lossScaling: _, ...off } = config;
  await train({ ...off, steps: 14 }, { folder: parts, images, resume: true });
  assert.not.ok(Object.keys(await weightsOf(parts)).some((name) => name.startsWith("lossScale")));
  await train({ ...config, steps: 16 }, { folder: parts, images, resume: true });
  assert.is(floats((await weightsOf(parts))["lossScale/finite"])[0], 2);
});

/** Starts a training in another process, resuming where there is a checkpoint; every step sends a message. */
function startTraining(folder: string, config: TrainConfig): ChildProcess {
  const script = `
    import { train, latestCheckpoint } from ${JSON.stringify(new URL("../../lib/train/index.ts", import.meta.url).href)};
    import { smallImages } from ${JSON.stringify(new URL("./small.ts", import.meta.url).href)};
    const folder = ${JSON.stringify(folder)};
    const resume = (await latestCheckpoint(folder + "/checkpoints")) !== undefined;
    await train(${JSON.stringify(config)}, {
      folder, images: smallImages(), resume, onProgress: ({ step }) => process.send(step),
    });
    process.exit(0);`;
  return spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
}

/** Runs a training that SIGKILL ends soon after a step (never, when it is undefined). */
async function trainAndKill(folder: string, config: TrainConfig, killAt?: number): Promise<number | null> {
  const child = startTraining(folder, config);
  // The step's metrics, checkpoint and the next step are under way when the signal arrives.
  child.on("message", (step) => step === killAt && child.kill("SIGKILL"));
  const [code] = await once(child, "exit");
  return code;
}

test("killed at any moment, a run resumes to the same weights bit by bit", async () => {
  const reference = await temporaryFolder();
  await train(smallConfig({ steps: 60, checkpointEvery: 30 }), { folder: reference, images });
  const folder = await temporaryFolder();
  const config = smallConfig({ steps: 60, checkpointEvery: 1 });
  const reached: number[] = [];
  for (const step of [2, 15, 16, 40]) {
    assert.is(await trainAndKill(folder, config, step), null);
    reached.push((await latestCheckpoint(join(folder, "checkpoints")))?.checkpoint.step ?? 0);
  }
  assert.ok(reached[3] >= 39 && reached[3] < 60, `killed at ${reached}`);
  assert.is(await trainAndKill(folder, config), 0);
  assert.equal(await weightsOf(folder), await weightsOf(reference));
  assert.equal(await losses(folder), await losses(reference));
});

test("killed while it writes a checkpoint, a run keeps the last good one and ends the same", async () => {
  // Large enough that the file takes a while to write.
  const model = { ...smallConfig().model, hiddenSize: 256, depth: 3, numHeads: 4 };
  const config = smallConfig({ model, steps: 5, checkpointEvery: 1 });
  const reference = await temporaryFolder();
  await train(config, { folder: reference, images });

  const folder = await temporaryFolder();
  const checkpoints = join(folder, "checkpoints");
  const child = startTraining(folder, config);
  const exit = once(child, "exit");
  let last = 0;
  child.on("message", (step) => {
    last = step as number;
  });
  const unfinished = async (): Promise<string[]> =>
    (await readdir(checkpoints).catch(() => [] as string[])).filter((name) => name.endsWith(".tmp"));
  while (last < 3 || (await unfinished()).length === 0) {
    if (child.exitCode !== null) throw new Error("the run ended before a checkpoint was seen being written");
    await new Promise((resolve) => setImmediate(resolve));
  }
  child.kill("SIGKILL");
  await exit;
  assert.is((await unfinished()).length, 1, "the half-written file is still there");
  const found = await latestCheckpoint(checkpoints);
  assert.ok(found && found.checkpoint.step >= 2 && found.checkpoint.step < 5);
  assert.equal(found.damaged, []);

  assert.is(await trainAndKill(folder, config), 0);
  assert.equal(await unfinished(), []);
  assert.equal(await weightsOf(folder), await weightsOf(reference));
});

test("a run that ends within its last evaluation makes it again when resumed", async () => {
  const folder = await temporaryFolder();
  const failing = async (): Promise<void> => {
    throw new Error("stopped while evaluating");
  };
  await rejects(
    train(smallConfig(), { folder, images, evaluateAt: [12], onEvaluate: failing }),
    /stopped while evaluating/,
  );
  const evaluated: number[] = [];
  await train(smallConfig(), {
    folder,
    images,
    resume: true,
    evaluateAt: [12],
    onEvaluate: async (_, step) => void evaluated.push(step),
  });
  assert.equal(evaluated, [12]);
  assert.equal(await weightsOf(folder), await weightsOf(await uninterrupted()));
});

test("a checkpoint cut off while it was written is passed over, and the run still ends the same", async () => {
  const reference = await uninterrupted();
  const folder = await temporaryFolder();
  const controller = new AbortController();
  await train(smallConfig(), {
    folder,
    images,
    signal: controller.signal,
    onProgress: ({ step }) => step === 11 && controller.abort(),
  });
  const checkpoints = join(folder, "checkpoints");
  const [older, newest] = await listCheckpoints(checkpoints);
  await truncate(newest.path, 1000);
  await writeFile(`${join(checkpoints, "step-00000012.safetensors")}.123-1.tmp`, "half of a file");
  const warnings: string[] = [];
  const found = await latestCheckpoint(checkpoints);
  assert.is(found?.path, older.path);
  await train(smallConfig(), {
    folder,
    images,
    resume: true,
    onWarning: (message) => warnings.push(message),
  });
  assert.match(warnings.join("\n"), newest.path);
  assert.equal(await weightsOf(folder), await weightsOf(reference));
  assert.equal(await losses(folder), await losses(reference));
});

test("when no checkpoint can be read, every one is named", async () => {
  const folder = await uninterrupted();
  for (const { path } of await listCheckpoints(join(folder, "checkpoints"))) await truncate(path, 100);
  await rejects(
    train(smallConfig(), { folder, images, resume: true }),
    /no checkpoint in .* can be read.*step-00000012.*step-00000010/s,
  );
});

test("a diverging run stops and names the step, the quantity and the last good checkpoint", async () => {
  const folder = await temporaryFolder();
  const config = smallConfig({ learningRate: { from: 1e-3, to: 1e30, steps: 1, start: 7, shape: "linear" } });
  await rejects(
    train(config, { folder, images }),
    /diverged at step \d+: (generative|sra|gradientNorm) is (NaN|Infinity); last good checkpoint: .*step-00000005/,
  );
});

test("unfit folders, configs and images are refused in one sentence", async () => {
  const done = await uninterrupted();
  const empty = await temporaryFolder();
  await rejects(
    train(smallConfig(), { folder: done, images }),
    /already holds a run.*resume it or choose another folder/,
  );
  await rejects(
    train(smallConfig(), { folder: empty, images, resume: true }),
    /holds no checkpoint to resume from/,
  );
  await rejects(
    train(smallConfig({ methods: [{ ...SMALL_SRA, weight: 1 }], steps: 20 }), {
      folder: done,
      images,
      resume: true,
    }),
    /another config: methods\.0\.weight was 0\.2, got 1; leave it as it is, or begin another run/,
  );
  await rejects(
    train(smallConfig({ batchSize: 0 }), { folder: empty, images }),
    /batchSize must be a positive integer, got 0/,
  );
  await rejects(
    train(smallConfig({ accumulate: 5 }), { folder: empty, images }),
    /accumulate must be a divisor of batchSize \d+, got 5/,
  );
  await rejects(
    train(smallConfig({ accumulate: 2, microBatches: 3 }), { folder: empty, images }),
    /microBatches must be a divisor of a run's batch size \d+, got 3/,
  );
  const methods = [{ ...SMALL_SRA, teacherBlock: 3 }];
  await rejects(
    train(smallConfig({ methods }), { folder: empty, images }),
    /methods\.0\.teacherBlock must be from 1 to .* 2, got 3/,
  );
  await rejects(
    train(smallConfig(), { folder: empty, images: { ...images, height: 4, width: 16 } }),
    /images are 1x4x16, but the model expects 1x8x8/,
  );
  const labels = new Uint8Array(50).fill(2);
  await rejects(
    train(smallConfig(), { folder: empty, images: { ...images, labels } }),
    /go up to 2, but the model has 2 classes/,
  );
});

test("both arms see the same images, noise, times and labels", async () => {
  const { batchSource } = await import("../../lib/train/index.ts");
  const configs = [
    smallConfig(),
    smallConfig({ methods: [] }),
    smallConfig({ methods: [{ ...SMALL_SRA, interval: 0.1 }] }),
  ];
  const batches: number[][][] = [];
  for (const config of configs) {
    const next = batchSource(images, config);
    const { draws: _, ...batch } = await next(1);
    batches.push(flattenTree(batch).map(({ tensor }) => Array.from(tensor.dataSync())));
  }
  assert.equal(batches[1], batches[0]);
  assert.equal(batches[2], batches[0]);
});

test("a batch that was begun ahead is the same one, and is given up where it is not asked for", async () => {
  const { batchSource } = await import("../../lib/train/index.ts");
  const config = smallConfig({ steps: 5 });
  const read = async (batch: Promise<Batch>): Promise<number[][]> =>
    flattenTree(await batch).map(({ tensor }) => Array.from(tensor.dataSync()));
  const [next, plain] = [batchSource(images, config), batchSource(images, config)];
  next.ahead(3);
  assert.equal(await read(next(3)), await read(plain(3)));
  const before = tf.memory().numTensors;
  next.ahead(4);
  disposeTree(await next(2));
  assert.is(tf.memory().numTensors, before);
  next.ahead(4);
  next.ahead(5);
  await next.dispose();
  next.ahead(5);
  await next.dispose();
  assert.is(tf.memory().numTensors, before);
});

test("a batch leaves nothing behind but itself, with classes and without", async () => {
  const { batchSource } = await import("../../lib/train/index.ts");
  for (const numClasses of [0, 2]) {
    const next = batchSource(images, smallConfig({ model: { ...smallConfig().model, numClasses } }));
    const before = tf.memory().numTensors;
    disposeTree(await next(0));
    assert.is(tf.memory().numTensors, before, `${numClasses} classes`);
  }
});

test("what an example draws does not depend on how examples are cut into batches", async () => {
  const { batchSource } = await import("../../lib/train/index.ts");
  const examples = async (batchSize: number): Promise<number[][]> => {
    const next = batchSource(images, smallConfig({ batchSize }));
    const all: number[][] = [];
    for (let step = 0; step < 24 / batchSize; step++) {
      const leaves = flattenTree(await next(step));
      assert.is(leaves.length, 6);
      const rows = leaves.map(({ tensor }) => tf.reshape(tensor, [batchSize, -1]));
      for (let i = 0; i < batchSize; i++)
        all.push(rows.flatMap((row) => Array.from(tf.slice(row, i, 1).dataSync())));
    }
    return all;
  };
  const whole = await examples(24);
  assert.equal(await examples(8), whole);
  assert.equal(await examples(3), whole);
});

/** The images of the run that ditlab 0.1 began. */
const images01 = {
  ...images,
  images: Uint8Array.from({ length: 50 * 64 }, (_, i) => (i * 37 + (i >> 6) * 11 + ((i * i) >> 5)) & 255),
};

test("a run that ditlab 0.1 began goes on with the numbers that it would have drawn", async () => {
  const recorded = new URL("../fixtures/run-0.1/", import.meta.url).pathname;
  const folder = await temporaryFolder();
  await cp(join(recorded, "checkpoints"), join(folder, "checkpoints"), { recursive: true });
  await cp(join(recorded, "config.json"), join(folder, "config.json"));
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  const stop = new AbortController();
  // Stopped once: what this version saves of such a run goes on the same way.
  const onProgress = ({ step }: { step: number }): void => (step === 8 ? stop.abort() : undefined);
  await train(config, { folder, images: images01, resume: true, signal: stop.signal, onProgress });
  await train(config, { folder, images: images01, resume: true });
  const { tensors } = await readSafetensors(join(folder, "checkpoints", "step-00000012.safetensors"));
  const expected = await readSafetensors(join(recorded, "expected-step-12.safetensors"));
  const { tensors: begun } = await readSafetensors(join(recorded, "checkpoints/step-00000005.safetensors"));
  assert.equal(Object.keys(tensors).sort(), Object.keys(expected.tensors).sort());
  for (const [name, { data }] of Object.entries(tensors)) {
    const wanted = expected.tensors[name].data;
    // Bit by bit on the same kind of processor; on others sums differ in their last digits.
    for (let i = 0; i < data.length; i++) {
      // The keys' bias had rounding for a gradient, which it was moved by; it has none now, and its momentum fades.
      if (name.endsWith("attn.qkv.bias") && i >= data.length / 3 && i < (2 * data.length) / 3) {
        if (name.startsWith("optimizer/first"))
          assert.ok(Math.abs(Number(data[i]) - 0.9 ** 7 * Number(begun[name].data[i])) < 1e-12, name);
        continue;
      }
      assert.ok(
        Math.abs(Number(data[i]) - Number(wanted[i])) < 1e-5,
        `${name}[${i}]: ${data[i]}, expected ${wanted[i]}`,
      );
    }
  }
});

test.run();
