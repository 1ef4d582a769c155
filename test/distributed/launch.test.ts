/** What launchers say, how a batch is shared, and what more ranks would take: no launcher is needed for these. */
import { closeSync, openSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { methodPreset } from "../../lib/align/index.ts";
import { launchOf, parseLink, predictStep } from "../../lib/distributed/index.ts";
import { isLaunched, threadsFor } from "../../lib/distributed/launch.ts";
import { checkConnection } from "../../lib/distributed/mpi-library.ts";
import { cutBatch, makeTask } from "../../lib/train/index.ts";
import { shardBytes, shardsOf } from "../../lib/train/shards.ts";
import { isAveraged, isTrained, type Task, taskShapes } from "../../lib/train/task.ts";
import { smallConfig } from "../train/small.ts";

test("each launcher's environment says which rank this is", () => {
  const openMpi = {
    OMPI_COMM_WORLD_RANK: "3",
    OMPI_COMM_WORLD_SIZE: "8",
    OMPI_COMM_WORLD_LOCAL_RANK: "1",
    OMPI_COMM_WORLD_LOCAL_SIZE: "2",
  };
  assert.equal(launchOf(openMpi), { rank: 3, size: 8, localRank: 1, localSize: 2, family: "Open MPI" });
  const hydra = { PMI_RANK: "1", PMI_SIZE: "2", MPI_LOCALRANKID: "1", MPI_LOCALNRANKS: "2" };
  assert.equal(launchOf(hydra), { rank: 1, size: 2, localRank: 1, localSize: 2, family: "MPICH" });
  const slurm = {
    SLURM_STEP_NUM_TASKS: "6",
    SLURM_PROCID: "5",
    SLURM_LOCALID: "1",
    SLURM_NTASKS_PER_NODE: "4",
  };
  assert.equal(launchOf({ ...slurm, PMIX_RANK: "5" }), { rank: 5, size: 6, localRank: 1, localSize: 4 });
  const { SLURM_NTASKS_PER_NODE: _, ...uneven } = { ...slurm, PMIX_RANK: "5", SLURM_NODEID: "2" };
  assert.is(launchOf({ ...uneven, SLURM_STEP_TASKS_PER_NODE: "1(x2),4" })!.localSize, 4);
  assert.is(launchOf(uneven)!.localSize, 6);
  const mpich = { PMI_RANK: "5", PMI_SIZE: "6", SLURM_LOCALID: "3", SLURM_NODEID: "1" };
  const { localRank, localSize } = launchOf({ ...mpich, SLURM_STEP_TASKS_PER_NODE: "2,4" })!;
  assert.equal([localRank, localSize], [3, 4]);
  assert.throws(() => launchOf(slurm), /srun started 6 tasks that cannot find each other; .*--mpi=pmix/);
  // A batch script itself is one process, whatever it may start.
  assert.is(launchOf({ SLURM_NTASKS: "6", SLURM_PROCID: "0" }), undefined);
  assert.is(launchOf({ ...hydra, PMI_SIZE: "1" }), undefined);
  assert.is(launchOf({}), undefined);
});

test("processes on one machine share its processors, unless the launcher has divided them", () => {
  const launch = { rank: 0, size: 8, localRank: 0, localSize: 4 };
  assert.equal([threadsFor(launch, 16, 16), threadsFor(launch, 16, 2), threadsFor(launch, 2, 2)], [4, 2, 1]);
});

test("a connection that a program in between has closed is told", () => {
  const file = openSync("/dev/null", "r");
  checkConnection({ PMI_FD: String(file) });
  closeSync(file);
  checkConnection({});
  assert.throws(
    () => checkConnection({ PMI_FD: String(file) }),
    /an open file, which npx has closed; start node_modules/,
  );
});

const task = makeTask(smallConfig());
const cuts = (size: number, options: Parameters<typeof cutBatch>[1], of = task) =>
  Array.from({ length: size }, (_, rank) => cutBatch(of, options, { rank, size }));

test("ranks have consecutive samples, all of them, and nearly as many as each other", () => {
  for (const [batchSize, size] of [
    [256, 8],
    [256, 3],
    [12, 4],
    [7, 3],
    [48, 5],
    [5, 5],
  ]) {
    const all = cuts(size, { batchSize });
    let next = 0;
    for (const { from, count, parts, runs } of all) {
      assert.is(from, next);
      next += count;
      assert.is(runs.reduce((sum, n) => sum + n, 0) * (batchSize / parts), count);
      assert.ok(count <= Math.ceil((1.1 * batchSize) / size), `${count} of ${batchSize} on ${size}`);
    }
    assert.is(next, batchSize);
  }
  assert.throws(() => cuts(4, { batchSize: 3 }), /a batch of 3 cannot be shared by 4 ranks/);
});

test("runs of a rank are no larger than the config's", () => {
  const [one] = cuts(1, { batchSize: 24, accumulate: 3, microBatches: 2 });
  assert.equal(one, { parts: 6, from: 0, count: 24, runs: [2, 2, 2] });
  const two = cuts(2, { batchSize: 24, accumulate: 3, microBatches: 2 });
  assert.equal(two, [
    { parts: 6, from: 0, count: 12, runs: [2, 1] },
    { parts: 6, from: 12, count: 12, runs: [2, 1] },
  ]);
  // Three ranks have a run of one process each.
  assert.equal(cuts(3, { batchSize: 24, accumulate: 3, microBatches: 2 })[2].runs, [2]);
});

test("a method that compares samples has the parts of one process, or is refused", () => {
  const config = smallConfig();
  const dispersive = methodPreset("dispersive", { depth: 2, process: config.process });
  const coupled = makeTask({ ...config, methods: [dispersive] });
  const options = { batchSize: 12, accumulate: 4, microBatches: 1 };
  assert.equal(
    cuts(2, options, coupled).map(({ parts, count, runs }) => [parts, count, ...runs]),
    [
      [4, 6, 1, 1],
      [4, 6, 1, 1],
    ],
  );
  assert.throws(
    () => cuts(3, { batchSize: 12 }, coupled),
    /dispersive compares the samples of a part, and ranks 0, 1 and 2 need a part each; expected accumulate to be 3 or more .*, got 1 part$/,
  );
});

test("a step on many ranks is predicted as the model says", () => {
  const link = parseLink("8Gb");
  assert.equal(link, { rate: 1e9, latency: 20e-6 });
  assert.is(parseLink("25GB").rate, 25e9);
  for (const wrong of ["200", "0Gb", "fast", "200Gbit"])
    assert.throws(() => parseLink(wrong), /a link is a rate such as 200Gb/);
  const cut = { parts: 4, from: 0, count: 64, runs: [1] };
  const found = predictStep(8, { batchSize: 256, ranks: 4, cut, gradientBytes: 4e9 }, link);
  const expected = {
    bytes: 6e9,
    compute: 2,
    exchange: 6.00012,
    step: 8.00012,
    efficiency: 8 / (4 * 8.00012),
  };
  for (const [name, value] of Object.entries(expected))
    assert.ok(Math.abs(found[name as keyof typeof found] - value) < 1e-9 * value, name);
});

test("the command looks for a launcher where one has said something", () => {
  for (const name of ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"])
    assert.ok(isLaunched({ [name]: "0" }), name);
  assert.not.ok(isLaunched({ PATH: "/bin", SLURM_JOB_ID: "7" }));
});

test("an optimizer in shards leaves each rank its part of the moments, and of averages that no step reads", () => {
  const plain = makeTask(smallConfig({ methods: [] }));
  const shapes = Object.entries(taskShapes(plain));
  const bytes = (keep: (task: Task, name: string) => boolean): number =>
    shapes
      .filter(([name]) => keep(plain, name))
      .reduce((sum, [, shape]) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
  const [moments, average] = [2 * bytes(isTrained), bytes(isAveraged)];
  assert.is(shardBytes(plain, {}, 1), moments + average);
  assert.is(shardBytes(plain, { moreEmaDecays: [0.9] }, 1), moments + 2 * average);
  const half = shardBytes(plain, {}, 2);
  assert.ok(half >= (moments + average) / 2 && half < 0.55 * (moments + average), `${half}`);
  for (const size of [2, 3]) {
    const { names } = shardsOf(plain, { size });
    assert.equal(names.flat().sort(), shapes.map(([name]) => name).sort());
  }
  // A teacher that is a moving average is read in every step.
  const taught = makeTask(smallConfig());
  assert.ok(shardsOf(taught, { size: 2 }).keepsAverage && !shardsOf(plain, { size: 2 }).keepsAverage);
});

test.run();
