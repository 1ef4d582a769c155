/** Commands on the device `cuda`, which a processor plays: their results are the processor's, and a lost GPU is got over. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readNpz } from "../../../lib/io/index.ts";
import { readCheckpoint } from "../../../lib/train/index.ts";
import { ditlab, smallIdxFolder } from "../../cli/helpers.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { buildStandIns } from "../../jit/cuda/standin/build.ts";
import { smallConfig } from "../../train/small.ts";
import { linesOf } from "../helpers.ts";

const standIns = await buildStandIns();
const env: Record<string, string> = { DITLAB_CUDA_PATH: standIns?.folder ?? "", DITLAB_JIT_CACHE: "0" };
const maybe = (name: string, body: () => Promise<void>): void =>
  standIns ? void test(name, body) : void test.skip(`${name} (g++ for x86-64 Linux is not there)`, body);

const config = smallConfig({
  model: { ...smallConfig().model, inputSize: 28, patchSize: 7, numClasses: 10 },
  ...{ steps: 4, checkpointEvery: 2, learningRate: 1e-3 },
});

maybe(
  "train, resume on another device, sample and profile with --device cuda are as on the processor",
  async () => {
    const home = await temporaryFolder();
    const data = await smallIdxFolder();
    const run = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await ditlab(args, { ...env, DITLAB_HOME: home });
      assert.is(code, 0, `${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    const file = join(home, "config.json");
    await writeFile(file, JSON.stringify(config));
    const ends: Record<string, Float32Array> = {};
    const images: Record<string, Uint8Array> = {};
    for (const [device, other] of [
      ["cpu", "cpu"],
      ["cuda", "cpu"],
      ["cpu", "cuda"],
    ]) {
      const out = join(home, `${device}-${other}`);
      await run("train", "--config", file, "--data", data, "--out", out, "--device", device);
      await run("train", "--resume", "--steps", "6", "--out", out, "--device", other);
      const { state } = await readCheckpoint(join(out, "checkpoints/step-00000006.safetensors"));
      ends[`${device}-${other}`] = (await state.params["final_layer.linear.weight"].data()) as Float32Array;
    }
    for (const device of ["cpu", "cuda"]) {
      const npz = join(home, `${device}.npz`);
      const sampling = ["--count", "4", "--steps", "3", "--guidance", "2", "--out", npz];
      await run("sample", join(home, "cpu-cpu"), ...sampling, "--device", device);
      images[device] = (await readNpz(npz)).arr_0.data as Uint8Array;
    }
    const profiled = JSON.parse(
      await run("profile", "--config", file, "--runs", "1", "--json", "--device", "cuda"),
    );
    assert.ok(profiled.seconds > 0 && profiled.flops > 1e6, JSON.stringify(profiled).slice(0, 200));
    const wanted = ends["cpu-cpu"];
    const largest = Math.max(...wanted.map(Math.abs));
    for (const name of ["cuda-cpu", "cpu-cuda"])
      wanted.forEach((value, i) => {
        assert.ok(
          Math.abs(value - ends[name][i]) < 1e-4 * largest,
          `${name}: ${value} became ${ends[name][i]}`,
        );
      });
    assert.is(images.cpu.filter((value, i) => Math.abs(value - images.cuda[i]) > 1).length, 0);
  },
);

maybe("a training whose GPU is lost goes on from its checkpoint, to the same end bit by bit", async () => {
  interface Trained {
    message: string;
    warnings: string[];
    steps: number[];
    kernels: number;
    faults: string[];
    state: string;
  }
  const train = async (folder: string | undefined, more: Record<string, string> = {}): Promise<Trained> => {
    const args = ["train", ...(folder === undefined ? [] : [folder])];
    return (await linesOf<Trained>("cuda/device-child.ts", args, { ...env, ...more }))[0];
  };
  const home = await temporaryFolder();
  const whole = await train(join(home, "whole"));
  assert.equal([whole.warnings, whole.faults], [[], []]);
  // In the middle of twelve steps, with checkpoints at the fourth and the eighth.
  const failing = { DITLAB_STANDIN_FAIL: `after ${Math.round(whole.kernels * 0.55)} launches` };
  const lost = await train(join(home, "lost"), failing);
  assert.is(lost.warnings.length, 1, lost.message);
  assert.match(
    lost.warnings[0],
    /^[^\n]* was lost: [^\n]*; the training goes on from the checkpoint .*step-0000000[48][^\n]*$/,
  );
  assert.is(lost.steps.at(-1), 12);
  assert.is(new Set(lost.steps).size, 12);
  assert.ok(lost.steps.length > 12, lost.steps.join());
  assert.is(lost.state, whole.state);
  // In memory there is nothing to go on from, and no monitor that launches kernels, too.
  const alone = await train(undefined);
  const inMemory = await train(undefined, {
    DITLAB_STANDIN_FAIL: `after ${Math.round(alone.kernels * 0.55)} launches`,
  });
  assert.match(inMemory.message, /^[^\n]* was lost: [^\n]*\(719\)$/);
  assert.ok(inMemory.steps.length >= 4 && inMemory.steps.length < 12, inMemory.steps.join());
});

test.run();
