/** Self-Transcendence in two runs: the first one's network is the frozen teacher of the second. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LatentGuidanceConfig, SelfTranscendenceConfig } from "../../lib/align/index.ts";
import { loadPipeline } from "../../lib/pipeline/index.ts";
import { flattenTree, type Params, tf } from "../../lib/tensor/index.ts";
import {
  makeTask,
  planTraining,
  readTeacher,
  type TrainingOptions,
  type TrainState,
  type TransformerTrainConfig,
  taskShapes,
  training,
} from "../../lib/train/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { SMALL_SRA, smallConfig, smallImages } from "./small.ts";

const images = smallImages();
const common = { weight: 0.5, headWidth: 12, times: [0.2, 0.9] } as const;
const first: LatentGuidanceConfig = {
  ...{ ...common, method: "self-transcendence-1", block: 1, target: "latent" },
};
const second: SelfTranscendenceConfig = {
  ...{ ...common, method: "self-transcendence", studentBlock: 1, teacherBlock: 2, guidance: 3 },
};
const FIRST = smallConfig({ seed: 5, steps: 4, methods: [first] });
const SECOND = smallConfig({ steps: 6, methods: [second] });

const numbers = (tree: TrainState | Params): number[][] =>
  flattenTree(tree).map(({ tensor }) => Array.from(tensor.dataSync()));

/** The state at the end of a run. */
async function trained(config: TransformerTrainConfig, options: TrainingOptions = {}): Promise<TrainState> {
  const run = training(config, images, options);
  for await (const _ of run);
  return run.state;
}

const folder = await temporaryFolder();
const { params: stage1, ema: stage1Average } = await trained(FIRST, { folder });

test("the teacher is the network as the first run left it, without its head", async () => {
  const teacher = await readTeacher(folder, SECOND);
  assert.ok("projectors_final.linear.weight" in stage1);
  const own = Object.fromEntries(Object.keys(teacher).map((name) => [name, stage1[name]]));
  assert.not.ok("projectors.0.weight" in teacher);
  assert.equal(numbers(teacher), numbers(own));
  assert.not.equal(numbers(teacher), numbers(stage1Average));
});

test("a second run learns from it, leaves it alone, and stopped goes on bit by bit without the first one", async () => {
  const frozenTeacher = await readTeacher(folder, SECOND);
  const whole = await trained(SECOND, { frozenTeacher });
  assert.equal(numbers(whole.frozen!), numbers(frozenTeacher));
  // What is averaged and optimized is the student's, and its head's, alone.
  const names = Object.keys(taskShapes(makeTask(SECOND)));
  assert.equal([Object.keys(whole.params), Object.keys(whole.ema)], [names, names]);
  assert.equal(
    Object.keys(whole.optimizer.first),
    names.filter((name) => name !== "pos_embed"),
  );
  const other = Object.fromEntries(
    Object.entries(frozenTeacher).map(([name, tensor]) => [name, tf.mul(tensor, 0.5)]),
  );
  assert.not.equal(numbers((await trained(SECOND, { frozenTeacher: other })).params), numbers(whole.params));

  const there = await temporaryFolder();
  const run = training(SECOND, images, { folder: there, frozenTeacher });
  for await (const { step, metrics } of run) {
    assert.ok(metrics["self-transcendence"] > 0);
    if (step === 3) break;
  }
  const later = training(SECOND, images, { folder: there, resume: true });
  for await (const _ of later);
  assert.equal(numbers(later.state), numbers(whole));
  // A pipeline has the student's network alone.
  assert.equal((await loadPipeline(there)).network.shapes, (await loadPipeline(folder)).network.shapes);
  await rejects(trained(SECOND, { folder: await temporaryFolder(), resume: true }), /holds no checkpoint/);
});

test("a batch in runs of its own, and dynamic loss scaling, take the same teacher", async () => {
  const frozenTeacher = await readTeacher(folder, SECOND);
  const [whole, runs] = [
    await trained(SECOND, { frozenTeacher }),
    await trained({ ...SECOND, accumulate: 2 }, { frozenTeacher }),
  ];
  assert.equal(numbers(runs.frozen!), numbers(whole.frozen!));
  const [a, b] = [whole, runs].map(({ params }) => numbers(params).flat());
  assert.ok(Math.max(...a.map((value, i) => Math.abs(value - b[i]))) < 1e-4);
  const scaled = { ...SECOND, steps: 2, precision: "float16", lossScaling: "dynamic" } as const;
  const { frozen } = await trained(scaled, { frozenTeacher });
  assert.equal(numbers(frozen!), numbers(frozenTeacher));
});

test("a teacher that is missing, of another network or process, or that nobody needs, is refused", async () => {
  assert.throws(() => training(SECOND, images), /^a method has a frozen teacher, which is to be given/);
  await rejects(
    readTeacher(await temporaryFolder(), SECOND),
    /holds no checkpoint; expected the run folder of the frozen teacher$/,
  );
  const deeper = { ...SECOND, model: { ...SECOND.model, depth: 3, qkNorm: true } };
  await rejects(
    readTeacher(folder, deeper),
    /^the network of .* cannot be the frozen teacher .* model\.depth was 2, got 3; model\.qkNorm was false, got true$/,
  );
  const cosine = { ...SECOND, process: { ...FIRST.process, path: "cosine" } } as TransformerTrainConfig;
  await rejects(readTeacher(folder, cosine), /process\.path was "linear", got "cosine"$/);
  const frozenTeacher = await readTeacher(folder, SECOND);
  await rejects(
    trained({ ...deeper, methods: [second] }, { frozenTeacher }),
    /^parameters do not fit the frozen teacher, a transformer \(depth 3, width 16\); missing: blocks\.0\.attn\.q_norm/,
  );
  assert.throws(
    () => training(smallConfig({ methods: [SMALL_SRA] }), images, { frozenTeacher }),
    /^a frozen teacher was given, but no method of the config has one; expected none$/,
  );
});

test("a plan counts the teacher's memory, and its products", async () => {
  const [with_, without] = [await planTraining(SECOND), await planTraining({ ...SECOND, methods: [] })];
  const size = flattenTree(await readTeacher(folder, SECOND)).reduce(
    (sum, { tensor }) => sum + tensor.size,
    0,
  );
  const head = (with_.parameters - without.parameters) * 2;
  assert.is((with_.memory.weights - without.memory.weights) / 4, size + head);
  assert.ok(with_.flopsPerStep > 1.3 * without.flopsPerStep);
});

test.run();
