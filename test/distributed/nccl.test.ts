/**
 * Ranks with a GPU each, which a processor plays: NVIDIA's libraries are stand-ins, NCCL's among them, which sums between processes.
 * What NCCL itself does with its functions is tried in `real-nccl.test.ts`, as far as it goes without a GPU.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { smallIdxFolder } from "../cli/helpers.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { buildStandIns } from "../jit/cuda/standin/build.ts";
import { SMALL_MODEL } from "../models/small.ts";
import { smallConfig } from "../train/small.ts";
import { LAUNCHERS, type Launcher, launch, linesOf, ranksOf } from "./helpers.ts";

const standIns = await buildStandIns();
const engine = LAUNCHERS.find(({ isInstalled }) => isInstalled);
const missing = standIns ? "no launcher of MPI is installed" : "g++ for x86-64 Linux is not there";
const maybe = (name: string, body: () => Promise<void>): void =>
  standIns && engine ? void test(name, body) : void test.skip(`${name} (${missing})`, body);

/** Kernels are compiled once for all processes. */
const HOME = await temporaryFolder();
const environment = (more: Record<string, string> = {}): Record<string, string> => ({
  ...{ DITLAB_HOME: HOME, DITLAB_JIT_CACHE: "1", DITLAB_CUDA_PATH: standIns!.folder },
  ...{ DITLAB_STANDIN_DEVICES: "3", ...more },
});

interface Summed {
  rank: number;
  local: number;
  device: number;
  notes: string[];
  summed: number;
  bits: string;
  error: number;
  ratio: number;
  left: number;
  collectives: number;
  faults: string[];
}
/** Ranks that sum on their GPUs. */
const sums = (ranks: number, by: Launcher = engine!, env?: Record<string, string>): Promise<Summed[]> =>
  ranksOf<Summed>(by, ranks, "nccl-child.ts", {}, environment(env));

for (const by of LAUNCHERS.filter(({ isInstalled }) => isInstalled))
  maybe(`${by.name}: each rank sums on a GPU of its own, the same to the last bit on all`, async () => {
    const said = await sums(3, by);
    assert.equal(
      said.map(({ rank, local, device, notes, faults }) => [rank, local, device, notes, faults]),
      [0, 1, 2].map((i) => [i, i, i, [], []]),
    );
    for (const { bits, error, ratio, collectives, summed, left } of said) {
      assert.is(bits, said[0].bits);
      // Both sum in the order of ranks or nearly so.
      assert.ok(error < 1e-6, `${error} from the sum by MPI`);
      // Summed once more it is three times as much, and not what was read before.
      assert.ok(Math.abs(ratio - 3) < 1e-6, `${ratio}`);
      // One of three arrays was moved by an eager operation before the last of three sums.
      assert.equal([summed, left, collectives], [3, 2, 8]);
    }
  });

maybe("ranks that share a GPU are told so, and sum by MPI", async () => {
  for (const { summed, notes, collectives } of await sums(2, engine, {
    DITLAB_STANDIN_DEVICES: "1",
    DITLAB_CUDA_DEVICE: "0",
  })) {
    assert.equal([summed, collectives], [0, 0]);
    assert.equal(notes, [
      "gradients travel through the processors' memory, not from GPU to GPU: ranks 0 and 1 share GPUs, which NCCL does not take",
    ]);
  }
});

interface Failed {
  rank: number;
  error: string;
  kind: string;
  again: string;
}
/** What each rank ends by. */
async function failed(given: object, env: Record<string, string> = {}): Promise<Failed[]> {
  const args = [...["--import", "tsx", "--import", "./test/setup.ts"], "test/distributed/nccl-child.ts"];
  const said = await launch(engine!, 2, [...args, JSON.stringify(given)], undefined, environment(env));
  return linesOf<Failed>(said.stdout);
}

maybe("a sum that hangs, a rank that does not come and one that fails end the others' wait", async () => {
  const HANGS = "the 2 ranks wait for each other and have not come further within 6 s";
  const hung = await failed({ patience: 3 }, { DITLAB_STANDIN_NCCL: "hang at 2 of rank 1" });
  assert.equal(
    hung.map(({ error, again }) => [error, again]),
    Array(2).fill([HANGS, "NCCL 2.30.7: the ranks' GPUs were given up before"]),
  );
  const [alone] = await failed({ patience: 3, absent: 1 });
  assert.is(alone.error, "rank 1 of 2 did not come within 3 s to where the others wait");
  assert.is(alone.kind, "RankError");
  for (const at of [0, 2]) {
    // The one that knows why speaks, before the others say that somebody is gone.
    const [first] = await failed({}, { DITLAB_STANDIN_NCCL: `fail at ${at} of rank 1` });
    const said =
      "NCCL 2.30.7: the ranks' GPUs cannot go on: unhandled system error (no network, as the test wants it)";
    const wayOut = "; DITLAB_NCCL can name another library, or be 'none'";
    assert.equal([first.rank, first.error], [1, at === 0 ? said + wayOut : said]);
  }
});

/** Its kernels are few. */
const model = { ...SMALL_MODEL, depth: 1 };
const change = { steps: 3, batchSize: 4, microBatches: 1, accumulate: 2, methods: [], model };

interface Trained {
  rank: number;
  step: number;
  state: string;
  notes: string[];
  error?: string;
}

maybe("two ranks with a GPU each train as one does, with NCCL and without it", async () => {
  const given = async (): Promise<object> => ({ folder: await temporaryFolder(), change, target: "cuda" });
  const run = async (ranks: number, env: Record<string, string> = {}): Promise<Trained[]> => {
    const trained = await ranksOf<Trained>(engine!, ranks, "train-child.ts", await given(), environment(env));
    for (const { error } of trained) assert.is(error, undefined);
    return trained;
  };
  const [one] = await run(1);
  const both = await run(2);
  // The sum of two numbers is the same in any order: to the last bit.
  for (const { step, state, notes } of both) assert.equal([step, state, notes], [3, one.state, []]);
  for (const { state, notes } of await run(2, { DITLAB_NCCL: "none" })) {
    assert.is(state, one.state);
    assert.match(
      notes.join(),
      /^gradients travel .*: ranks 0 and 1 have no NCCL \(looked for none\); install it/,
    );
  }
});

maybe("the command says once why ranks end whose GPUs fail, or are too few", async () => {
  const folder = await temporaryFolder();
  const config = join(folder, "config.json");
  const grey = { ...model, inputSize: 28, patchSize: 7, numClasses: 10 };
  await writeFile(config, JSON.stringify(smallConfig({ ...change, steps: 100, model: grey })));
  const train = async (env: Record<string, string>): Promise<string> => {
    const args = ["--config", config, "--data", await smallIdxFolder(), "--out", join(folder, "run")];
    const { code, stdout, stderr } = await launch(
      engine!,
      2,
      ["lib/cli/bin.js", "train", ...args, "--device", "cuda"],
      undefined,
      environment(env),
    );
    assert.is.not(code, 0);
    // A launcher of a busy machine may let another rank say the same before it ends it.
    const said = new Set(
      (stdout + stderr)
        .split("\n")
        .filter((line) => line.startsWith("ditlab: "))
        .map((line) => line.replace(/^ditlab: rank \d: /, "ditlab: ")),
    );
    assert.is(said.size, 1, stdout + stderr);
    return [...said][0];
  };
  assert.match(
    await train({ DITLAB_STANDIN_NCCL: "fail at 20 of rank 1" }),
    /^ditlab: NCCL 2\.30\.7: the ranks' GPUs cannot go on: unhandled system error \(no network, .*\); last good checkpoint: none yet$/,
  );
  assert.match(
    await train({ DITLAB_STANDIN_DEVICES: "1" }),
    /^ditlab: 2 ranks on this machine take a GPU each, and CUDA shows 1 GPU; start fewer ranks/,
  );
});

test.run();
