/** Ranks under the real MPI libraries: the same sums everywhere, and the same training whoever computes which part. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readJsonLines, readSafetensors } from "../../lib/io/index.ts";
import { type LogEntry, listCheckpoints, type TrainConfig, train } from "../../lib/train/index.ts";
import { ditlab } from "../cli/helpers.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { smallConfig, smallImages } from "../train/small.ts";
import { LAUNCHERS, type Launcher, launch, ranksOf } from "./helpers.ts";

interface Said {
  rank: number;
  size: number;
  engine: string;
  bits: string;
  error: number;
  doubles: number[];
  told: number[];
  means: number[];
  other: string;
}

interface Trained {
  rank: number;
  step: number;
  state: string;
  /** Numbers of the optimizer's first moments that it keeps. */
  moments?: number;
  error?: string;
}

const numbersOf = async (folder: string): Promise<Map<string, Float32Array>> => {
  const newest = (await listCheckpoints(join(folder, "checkpoints"))).at(-1)!;
  const { tensors } = await readSafetensors(newest.path);
  return new Map(
    Object.entries(tensors).map(([name, { data }]) => [name, Float32Array.from(data as Float32Array)]),
  );
};

/** The largest difference between two states' numbers. */
function difference(a: Map<string, Float32Array>, b: Map<string, Float32Array>): number {
  assert.equal([...a.keys()].sort(), [...b.keys()].sort());
  let most = 0;
  for (const [name, values] of a)
    for (const [i, value] of values.entries()) most = Math.max(most, Math.abs(value - b.get(name)![i]));
  return most;
}

process.env.DITLAB_THREADS = "1";

/** As one process trains, a batch of 12 in so many parts. */
async function alone(change: Partial<TrainConfig>): Promise<string> {
  const folder = await temporaryFolder();
  await train(smallConfig(change as object), { folder, images: smallImages() });
  return folder;
}

async function together(
  engine: Launcher,
  ranks: number,
  change: Partial<TrainConfig>,
  more: { folder?: string; resume?: boolean; shardOptimizer?: boolean } = {},
): Promise<string> {
  const folder = more.folder ?? (await temporaryFolder());
  const ends = await ranksOf<Trained>(engine, ranks, "train-child.ts", { change, ...more, folder });
  assert.is(ends.length, ranks);
  for (const end of ends) assert.equal({ ...end, rank: 0, moments: ends[0].moments }, ends[0]);
  const moments = ends.map((end) => end.moments!);
  if (more.shardOptimizer) assert.ok(Math.max(...moments) < (1.3 * sum(moments)) / ranks, `${moments}`);
  assert.is(ends[0].error, undefined);
  return folder;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b);

for (const engine of LAUNCHERS) {
  const run = engine.isInstalled ? test : test.skip;
  const named = (what: string): string =>
    `${engine.name}${engine.isInstalled ? "" : " (not installed)"}: ${what}`;

  run(named("sums are the same to the last bit on every rank, and ranks that differ are named"), async () => {
    const said = await ranksOf<Said>(engine, 3, "communicator-child.ts");
    assert.equal(
      said.map(({ rank, size, told, doubles }) => [rank, size, told, doubles]),
      [0, 1, 2].map((rank) => [rank, 3, [0.1, 2], [6, 3 * 2 ** 40, ...(rank === 1 ? [6] : [])]]),
    );
    // 0 + 1 + 2, the same with 1 added, and rank 1's own.
    for (const { means } of said) assert.equal(means, [3, 6, 3]);
    assert.match(said[0].engine, engine.name === "openmpi" ? /^Open MPI \d/ : /^MPICH \d/);
    assert.is(new Set(said.map(({ bits }) => bits)).size, 1);
    for (const { error } of said) assert.ok(error < 1e-6, `${error}`);
    assert.equal(new Set(said.map(({ other }) => other)), new Set(["rank 1 has another config than rank 0"]));
  });

  run(named("two ranks train as one process does with two parts, to the last bit"), async () => {
    const change = { steps: 6, batchSize: 12, microBatches: 2 };
    const [one, two] = [await alone(change), await together(engine, 2, change)];
    assert.equal(await numbersOf(two), await numbersOf(one));
    const lines = async (folder: string): Promise<LogEntry[]> =>
      readJsonLines<LogEntry>(join(folder, "metrics.jsonl"));
    const [first, second] = [await lines(one), await lines(two)];
    assert.equal(
      second.map(({ step, generative, sra, gradientNorm, ranks }) => [
        step,
        generative,
        sra,
        gradientNorm,
        ranks,
      ]),
      first.map(({ step, generative, sra, gradientNorm }) => [step, generative, sra, gradientNorm, 2]),
    );
  });

  run(named("an optimizer in shards changes no number, and its checkpoints are the same files"), async () => {
    // A teacher that is a moving average is whole everywhere; without one averages are in shards, too.
    const teacher = {
      steps: 4,
      batchSize: 12,
      microBatches: 2,
      precision: "float16",
      lossScaling: "dynamic",
    } as const;
    const inShards = await together(engine, 2, teacher, { shardOptimizer: true });
    assert.equal(await numbersOf(inShards), await numbersOf(await alone(teacher)));
    const plain = { steps: 4, batchSize: 12, microBatches: 2, methods: [], moreEmaDecays: [0.9] };
    const folder = await together(engine, 2, plain, { shardOptimizer: true });
    const whole = await alone(plain);
    assert.equal(await numbersOf(folder), await numbersOf(whole));
    await together(engine, 3, { ...plain, steps: 6 }, { folder, resume: true, shardOptimizer: true });
    await train(smallConfig({ ...plain, steps: 6 }), { folder: whole, images: smallImages(), resume: true });
    const error = difference(await numbersOf(folder), await numbersOf(whole));
    assert.ok(error < 1e-5, `${error}`);
  });

  run(
    named("three and four ranks train as one process does, and go on from each other's checkpoints"),
    async () => {
      const change = { batchSize: 12, steps: 6, learningRate: 1e-3 };
      const expected = await numbersOf(await alone(change));
      const folder = await together(engine, 4, { ...change, steps: 2 });
      await together(engine, 3, { ...change, steps: 4 }, { folder, resume: true });
      await train(smallConfig(change), { folder, images: smallImages(), resume: true });
      const error = difference(await numbersOf(folder), expected);
      assert.ok(error < 1e-6, `${error}`);
    },
  );

  run(
    named("what the ranks were given differently is told on all of them, and nothing is begun"),
    async () => {
      const folder = await temporaryFolder();
      const given = { folder, change: { batchSize: 12, steps: 2 }, images: { 1: 48 } };
      const ends = await ranksOf<Trained>(engine, 2, "train-child.ts", given);
      for (const { error } of ends)
        assert.is(error, "rank 1 has another set of images (training images) than rank 0");
      assert.equal(await listCheckpoints(join(folder, "checkpoints")), []);
    },
  );

  run(named("numbers that are none end all ranks, which know where they came from"), async () => {
    const folder = await temporaryFolder();
    // Of 12 examples a step rank 1 of 3 has the fifth to the eighth.
    const given = { folder, change: { batchSize: 12, steps: 6, checkpointEvery: 2 }, broken: 3 * 12 + 6 };
    const ends = await ranksOf<Trained>(engine, 3, "train-child.ts", given);
    assert.match(
      ends[0].error!,
      /^training diverged at step 4 on rank 1: generative is NaN; last good checkpoint: .*step-00000002\.safetensors$/,
    );
    for (const { error } of ends)
      assert.match(error!, /^training diverged at step 4 on rank 1: generative is NaN/);
  });

  run(named("three ranks draw the images of one process, to the last byte"), async () => {
    const folder = await alone({ steps: 2 });
    const out = (name: string): string => join(folder, `${name}.npz`);
    const args = ["lib/cli/bin.js", "sample", folder, "--count", "11", "--batch-size", "2", "--steps", "4"];
    const one = await ditlab([...args.slice(1), "--out", out("one")]);
    assert.is(one.code, 0, one.stderr);
    const three = await launch(engine, 3, [
      ...args,
      "--out",
      out("three"),
      "--grid",
      join(folder, "grid.png"),
    ]);
    assert.is(three.code, 0, three.stdout + three.stderr);
    assert.equal(await readFile(out("three")), await readFile(out("one")));
    assert.match(three.stdout, /^11 images of step 2: /m);
    assert.is(three.stdout.match(/11 images/g)!.length, 1);
    assert.not.ok(existsSync(`${out("three")}.parts`));
    assert.ok(existsSync(join(folder, "grid.png")));
  });
}

test.run();
