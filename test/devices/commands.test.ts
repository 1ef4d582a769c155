/** Commands on a GPU end where those on a processor do, and a training whose GPU is lost goes on. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readNpz } from "../../lib/io/index.ts";
import { readCheckpoint } from "../../lib/train/index.ts";
import { ditlab, smallIdxFolder } from "../cli/helpers.ts";
import { temporaryFolder } from "../io/helpers.ts";
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

for (const { name, env, missing } of drivers) {
  if (missing) {
    test.skip(`${name}: commands on a GPU (${missing} is not installed)`, () => {});
    continue;
  }

  test(`${name}: train, sample, evaluate and profile with --device webgpu have the processor's results`, async () => {
    const home = await temporaryFolder();
    const run = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await ditlab(args, {
        ...env,
        DITLAB_HOME: home,
        DITLAB_JIT_CACHE: "0",
      });
      assert.is(code, 0, `${args.join(" ")}: ${stderr}`);
      return stdout;
    };
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
}

test.run();
