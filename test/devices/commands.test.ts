/** Commands on a GPU end where those on a processor do, and a training whose GPU is lost goes on. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openTrainingData } from "../../lib/data/index.ts";
import { ndarray, readJsonLines, readNpz, writeNpz } from "../../lib/io/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { type LogEntry, readCheckpoint } from "../../lib/train/index.ts";
import { ditlab, smallIdxFolder } from "../cli/helpers.ts";
import { png, writeFiles } from "../data/images.ts";
import { fixture, temporaryFolder } from "../io/helpers.ts";
import { smallConfig } from "../train/small.ts";
import { drivers, linesOf } from "./helpers.ts";

const data = smallIdxFolder();

/** A network for MNIST's format that a processor can play a GPU for. */
const config = smallConfig({
  model: { ...smallConfig().model, inputSize: 28, patchSize: 7, numClasses: 10 },
  steps: 6,
  batchSize: 8,
  checkpointEvery: 3,
  learningRate: 1e-3,
});

async function pixels(path: string): Promise<Uint8Array> {
  return (await readNpz(path)).arr_0.data as Uint8Array;
}

/** Largest difference of two arrays as a share of the largest number. */
function errorOf(got: ArrayLike<number>, want: ArrayLike<number>): number {
  assert.is(got.length, want.length);
  const largest = Array.from(want).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return Array.from(want).reduce((most, value, i) => Math.max(most, Math.abs(value - got[i])), 0) / largest;
}

/** Images in two folders, the fixture's VAE, and a network for its latents of them. */
async function writeSources(folder: string): Promise<void> {
  const files: Record<string, Uint8Array | string> = {
    "vae/config.json": await readFile(fixture("vae-config.json")),
    "vae/diffusion_pytorch_model.safetensors": await readFile(fixture("vae.safetensors")),
  };
  for (let i = 0; i < 6; i++) files[`images/class-${i % 2}/${i}.png`] = await png(32, 32, i);
  const model = { ...smallConfig().model, inChannels: 4 };
  files["latents.json"] = JSON.stringify(smallConfig({ model, batchSize: 4, steps: 2, learningRate: 1e-3 }));
  await writeFiles(folder, files);
}

/** What a command prints that ends well, with what it keeps in a home of its own. */
async function succeeds(
  args: readonly string[],
  home: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const { code, stdout, stderr } = await ditlab([...args], {
    ...env,
    DITLAB_HOME: home,
    DITLAB_JIT_CACHE: "0",
  });
  assert.is(code, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

for (const { name, env, missing } of drivers) {
  if (missing) {
    test.skip(`${name}: commands on a GPU (${missing} is not installed)`, () => {});
    continue;
  }

  test(`${name}: train, sample, evaluate and profile with --device webgpu have the processor's results`, async () => {
    const home = await temporaryFolder();
    const run = (...args: string[]): Promise<string> => succeeds(args, home, env);
    const file = join(home, "config.json");
    await writeFile(file, JSON.stringify(config));
    const ends: Record<string, Float32Array> = {};
    const images: Record<string, Uint8Array> = {};
    for (const device of ["cpu", "webgpu"]) {
      const out = join(home, device);
      const on = ["--device", device];
      await run("train", "--config", file, "--data", await data, "--out", out, ...on);
      const { state } = await readCheckpoint(join(out, "checkpoints/step-00000006.safetensors"));
      ends[device] = (await state.params["final_layer.linear.weight"].data()) as Float32Array;
      const npz = join(home, `${device}.npz`);
      await run(
        "sample",
        join(home, "cpu"),
        "--count",
        "4",
        "--steps",
        "3",
        "--guidance",
        "2",
        "--out",
        npz,
        ...on,
      );
      images[device] = await pixels(npz);
      const profiled = JSON.parse(await run("profile", "--config", file, "--runs", "1", "--json", ...on));
      assert.ok(profiled.seconds > 0 && profiled.flops > 1e6, JSON.stringify(profiled).slice(0, 200));
    }
    const largest = Math.max(...ends.cpu.map(Math.abs));
    ends.cpu.forEach((wanted, i) => {
      assert.ok(Math.abs(wanted - ends.webgpu[i]) < 1e-4 * largest, `${wanted} became ${ends.webgpu[i]}`);
    });
    const differing = images.cpu.filter((value, i) => Math.abs(value - images.webgpu[i]) > 1);
    assert.is(differing.length, 0);
  });

  test(`${name}: a training whose GPU is lost goes on from its checkpoint, to the same end`, async () => {
    const [report] = await linesOf<{ warnings: string[]; steps: number[]; same: boolean; inMemory: string }>(
      "lost-child.ts",
      [await temporaryFolder()],
      env,
    );
    assert.is(report.warnings.length, 1);
    assert.match(report.warnings[0], /lost: .*; the training goes on from the checkpoint .*step-00000004/);
    assert.equal(report.steps, [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert.ok(report.same);
    assert.match(report.inMemory, /lost/);
  });

  // SwiftShader compiles kernels in a fraction of lavapipe's time.
  if (name === "swiftshader")
    test(`${name}: prepare, train on latents, resume, sample through the VAE and evaluate, as on the processor`, async () => {
      const home = await temporaryFolder();
      const at = (name: string): string => join(home, name);
      await writeSources(home);
      // Grey digits as `sample` writes them, three equal channels each.
      const random = randomGenerator(1);
      const grey = Uint8Array.from({ length: 12 * 784 }, () => random.integer(256));
      const samples = Uint8Array.from({ length: 3 * grey.length }, (_, i) => grey[Math.floor(i / 3)]);
      await writeNpz(at("digits.npz"), { arr_0: ndarray(samples, [12, 28, 28, 3]) });
      const results: Record<string, Record<string, ArrayLike<number>>> = {};
      for (const device of ["cpu", "webgpu"]) {
        const run = (command: string, ...args: string[]): Promise<string> =>
          succeeds([...command.split(" "), ...args, "--device", device], home, env);
        const [vae, out, npz] = [["--vae", at("vae")], at(device), at(`${device}.npz`)];
        await run("prepare latents", at("images"), at(`latents-${device}`), ...vae);
        const made = await openTrainingData(at(`latents-${device}`), { inputSize: 8 });
        const { values } = await made.read(0, 0, 6);
        await run("train", "--config", at("latents.json"), "--images", at("latents-cpu"), "--out", out);
        const dry = ["--config", at("latents.json"), "--out", at("none"), "--dry-run", "--json"];
        const { stepSeconds } = JSON.parse(await run("train", ...dry));
        const took = (await readJsonLines<LogEntry>(join(out, "metrics.jsonl"))).at(-1)!.stepSeconds;
        // Both are the time until a GPU is done, not until it has been told.
        if (device === "webgpu")
          assert.ok(stepSeconds > took / 8, `a step took ${took} s, planned were ${stepSeconds}`);
        await run("train", "--resume", "--steps", "4", "--out", out);
        const { state } = await readCheckpoint(join(out, "checkpoints/step-00000004.safetensors"));
        const sampling = ["--count", "3", "--steps", "3", "--sampler", "euler-maruyama", "--guidance", "2"];
        await run("sample", at("cpu"), ...vae, ...sampling, "--out", npz);
        // The first trains the network, which the others find in the cache.
        const judged = await run(
          "evaluate",
          at("digits.npz"),
          "--data",
          await data,
          "--reference",
          "100",
          "--json",
        );
        const { frechet, inceptionScore, precision, recall } = JSON.parse(judged);
        results[device] = {
          latents: values,
          weights: await state.params["final_layer.linear.weight"].data(),
          averaged: await state.ema["final_layer.linear.weight"].data(),
          images: await pixels(npz),
          metrics: [frechet, inceptionScore, precision, recall],
        };
      }
      const { cpu, webgpu } = results;
      // Rounding turns a pixel by one at most.
      const limits = { latents: 1e-5, weights: 1e-4, averaged: 1e-4, images: 0.01, metrics: 1e-4 };
      for (const [what, limit] of Object.entries(limits)) {
        const error = errorOf(webgpu[what], cpu[what]);
        assert.ok(error <= limit, `${what}: ${error}`);
      }
    });
}

test.run();
