/** Checkpoints of PyTorch and safetensors as models, and training states both ways. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import {
  fromTensor,
  type NdArray,
  ndarray,
  openTorch,
  openWeights,
  readNpz,
  toFloat32,
  writeSafetensors,
  writeTorch,
} from "../../lib/io/index.ts";
import { loadModel, makeNetwork } from "../../lib/models/index.ts";
import { type Params, randomGenerator } from "../../lib/tensor/index.ts";
import {
  headShapes,
  initTask,
  initTrainState,
  makeTask,
  readReferenceState,
  type TrainState,
  taskShapes,
  writeCheckpoint,
  writeReferenceState,
} from "../../lib/train/index.ts";
import { fixture, rejects } from "../io/helpers.ts";
import { TINY, weights } from "../parity.ts";
import { pythonJson, pythonWith } from "../python.ts";
import { SMALL_SRA, smallConfig } from "../train/small.ts";

const sraTask = makeTask({ model: TINY, process: SIT_PROCESS, methods: [SMALL_SRA] });
/** The network and the head beside it. */
const WITH_HEAD = { heads: headShapes(sraTask) };
const folder = mkdtempSync(join(tmpdir(), "ditlab-load-"));
const checkpoint = fixture("sit-checkpoint.pt");

const equal = (actual: Params, expected: Params): void => {
  assert.equal(Object.keys(actual).sort(), Object.keys(expected).sort());
  for (const [name, tensor] of Object.entries(expected)) {
    assert.equal(actual[name].shape, tensor.shape, name);
    assert.equal(actual[name].dataSync(), tensor.dataSync(), name);
  }
};

const arraysOf = async (params: Params): Promise<Record<string, NdArray>> =>
  Object.fromEntries(
    await Promise.all(Object.entries(params).map(async ([name, p]) => [name, await fromTensor(p)] as const)),
  );

test("parameters are named and ordered as in the reference's state", async () => {
  const file = await openWeights(checkpoint);
  const shapes = taskShapes(sraTask);
  assert.equal(file.shapes, shapes);
  assert.equal(Object.keys(file.shapes), Object.keys(shapes));
  await file.close();
});

test("ema or model of a training checkpoint, a bare state, safetensors: the same weights", async () => {
  const trained = await readNpz(fixture("sit-train3.npz"));
  for (const group of ["ema", "model"] as const) {
    const { params } = await loadModel(checkpoint, TINY, { weights: group, ...WITH_HEAD });
    assert.is(Object.keys(params).length, 56);
    for (const [name, tensor] of Object.entries(params))
      assert.equal(tensor.dataSync(), toFloat32(trained[`${group}.${name}`]), `${group} ${name}`);
  }
  const ema = (await loadModel(checkpoint, TINY)).params;
  equal((await loadModel(fixture("sit-ema-bare.pt"), TINY)).params, ema);
  const path = join(folder, "ema.safetensors");
  await writeSafetensors(path, await arraysOf(ema));
  equal((await loadModel(path, TINY)).params, ema);
  const seen: number[][] = [];
  await loadModel(path, TINY, { onProgress: (...progress) => seen.push(progress) });
  // Without the four parameters of the head that lies beside them.
  assert.equal([seen.length, seen.at(-1)], [52, [52, 52]]);
});

test("a model of the zoo takes image size, classes and channels from the file, and leaves heads there", async () => {
  const { config } = await loadModel(fixture("sit-model.safetensors"), { ...TINY });
  assert.equal(config, TINY);
  const small = { ...TINY, depth: 12, hiddenSize: 384, numHeads: 6, inputSize: 4, numClasses: 3 };
  const path = join(folder, "s.safetensors");
  const first = { ...small, outChannels: 8, reversedTime: true };
  for (const config of [small, first, { ...small, numClasses: 0 }]) {
    const params = makeNetwork(config).init(randomGenerator(1));
    const heads = makeNetwork({ ...small, depth: 1 }).init(randomGenerator(1));
    const beside = { "ap_head.linear1.weight": heads.pos_embed, "projectors.0.0.bias": heads.pos_embed };
    await writeSafetensors(path, await arraysOf({ ...params, ...beside }));
    // A file without a table of classes knows none. Of all SiTs only the first release predicts twice the channels; it counts time from noise to data.
    const loaded = await loadModel(path, "SiT-S/2");
    assert.equal(loaded.config, config);
    assert.equal(Object.keys(loaded.params), Object.keys(params));
  }
  await rejects(
    loadModel(path, "SiT-B/2"),
    /do not fit transformer \(depth 12, width 768\) of .*s\.safetensors; wrong/,
  );
  await rejects(loadModel(path, "SiT-M/2" as never), /^unknown model 'SiT-M\/2'/);
});

test("wrappers' prefixes are taken off, halves are widened", async () => {
  const model = await weights("sit-model.safetensors");
  const half = (array: NdArray): NdArray => ({
    shape: array.shape,
    dtype: "bfloat16",
    data: Uint16Array.from(new Uint32Array((array as NdArray<"float32">).data.buffer), (bits) => bits >>> 16),
  });
  const path = join(folder, "wrapped.pt");
  const entries = Object.entries(await arraysOf(model)).map(([name, array]) => [
    `module._orig_mod.${name}`,
    half(array),
  ]);
  await writeTorch(path, { ema: Object.fromEntries(entries), args: null });
  const { params } = await loadModel(path, TINY, WITH_HEAD);
  for (const [name, tensor] of Object.entries(model)) {
    const bits = new Uint32Array(Float32Array.from(tensor.dataSync()).buffer);
    const cut = new Float32Array(bits.map((b) => b & 0xffff0000).buffer);
    assert.equal(params[name].dataSync(), cut, name);
  }
});

test("one error lists all that does not fit, before anything is read", async () => {
  const state = await arraysOf(await weights("sit-model.safetensors"));
  delete state["blocks.1.mlp.fc1.bias"];
  state.surprise = ndarray(new Float32Array(2), [2]);
  state.pos_embed = ndarray(new Float32Array(9 * 24), [1, 9, 24]);
  const path = join(folder, "unfit.pt");
  await writeTorch(path, state);
  const message =
    "parameters do not fit transformer (depth 4, width 24) of " +
    `${path}; missing: blocks.1.mlp.fc1.bias; unexpected: surprise; ` +
    "wrong shape: pos_embed (expected [1,16,24], got [1,9,24])";
  assert.is(await loadModel(path, TINY).catch((error: Error) => error.message), message);
});

test("what holds no weights says what it holds", async () => {
  const path = join(folder, "none.pt");
  await writeTorch(path, { model: { w: ndarray(Float32Array.of(1), [1]) }, steps: 3 });
  await rejects(loadModel(path, TINY), /none\.pt has no weights 'ema'; it holds model, steps$/);
  await writeTorch(path, { steps: 3, note: "x" });
  await rejects(loadModel(path, TINY), /none\.pt has no tensors; it holds steps, note$/);
  await writeTorch(path, [1, 2]);
  await rejects(loadModel(path, TINY), /none\.pt holds no dictionary, so no weights$/);
  writeFileSync(path, "hello");
  await rejects(loadModel(path, TINY), /none\.pt is no checkpoint: it has 5 bytes$/);
  writeFileSync(path, "hello world, this is text");
  await rejects(loadModel(path, TINY), /none\.pt/);
  await rejects(loadModel(join(folder, "missing.pt"), TINY), /missing\.pt: there is no such file/);
});

test("a training checkpoint of ours holds both weights", async () => {
  const config = smallConfig();
  const task = makeTask(config);
  const state = initTrainState(task, initTask(task, randomGenerator(2)));
  const heads = headShapes(task);
  const path = await writeCheckpoint(join(folder, "run"), { step: 1, state, config });
  equal((await loadModel(path, config.model, { heads })).params, state.ema);
  equal((await loadModel(path, config.model, { heads, weights: "model" })).params, state.params);
});

test("the reference's training state, with its moments, comes and goes unchanged", async () => {
  const config = smallConfig({ model: TINY });
  const read = await readReferenceState(checkpoint, config);
  assert.is(read.steps, 3);
  assert.is(read.state.optimizer.step.dataSync()[0], 3);
  const groups = ({ params, ema, optimizer: { first, second } }: TrainState) => ({
    params,
    ema,
    first,
    second,
  });
  const path = join(folder, "back.pt");
  await writeReferenceState(path, read.state, config, read.steps);
  const again = await readReferenceState(path, config);
  assert.equal([again.steps, again.state.optimizer.step.dataSync()[0]], [3, 3]);
  for (const [name, params] of Object.entries(groups(read.state))) {
    equal(groups(again.state)[name as keyof ReturnType<typeof groups>], params);
    const size = Object.values(params).reduce((sum, p) => sum + p.abs().sum().dataSync()[0], 0);
    assert.ok(size > 0, `${name} holds numbers`);
  }
  // The reference counts epochs of ImageNet, by which it lowers lambda.
  for (const [steps, epoch] of [
    [750_600, 149],
    [750_700, 150],
  ]) {
    await writeReferenceState(path, read.state, { ...config, batchSize: 256 }, steps);
    const file = await openTorch(path);
    assert.is((file.value as Map<string, unknown>).get("epoch"), epoch);
    await file.close();
  }
  // A bare state: the teacher is the student, and nothing has moved.
  for (const name of ["sit-ema-bare.pt", "sit-ema.safetensors"]) {
    const bare = await readReferenceState(fixture(name), config);
    equal(bare.state.params, bare.state.ema);
    assert.equal([bare.steps, bare.state.optimizer.step.dataSync()[0]], [0, 0]);
  }
});

const python = pythonWith("torch");
const resumes = "PyTorch's optimizer resumes from an exported state";
if (!python) {
  test.skip(`${resumes} (no python3 with torch is installed)`);
} else {
  test(resumes, async () => {
    const config = smallConfig({ model: TINY, learningRate: 1e-3 });
    const { state } = await readReferenceState(checkpoint, config);
    const path = join(folder, "resume.pt");
    await writeReferenceState(path, state, config, 3);
    const script = `
import sys, json, torch
ours, reference = [torch.load(path, map_location="cpu") for path in sys.argv[1:]]
parameters = [torch.nn.Parameter(p.clone(), requires_grad=name != "pos_embed") for name, p in ours["model"].items()]
optimizer = torch.optim.AdamW(parameters)
optimizer.load_state_dict(ours["opt"])
moments = lambda saved: {i: entry["exp_avg"] for i, entry in saved["opt"]["state"].items()}
first, second = moments(ours), moments(reference)
for p in parameters: p.grad = torch.ones_like(p)
optimizer.step()
print(json.dumps({
  "names": list(ours["model"]) == list(reference["model"]),
  "moments": first.keys() == second.keys() and all(torch.equal(first[i], second[i]) for i in first),
  "step": int(optimizer.state[parameters[1]]["step"]),
  "lr": optimizer.param_groups[0]["lr"],
}))`;
    assert.equal(pythonJson(python, script, path, checkpoint), {
      names: true,
      moments: true,
      step: 4,
      lr: 1e-3,
    });
  });
}

test("a DiT's weights are not a SiT's", async () => {
  const path = fixture("dit-ema.safetensors");
  const { config } = await loadModel(path, { ...TINY, outChannels: 8 });
  assert.is(makeNetwork(config).outChannels, 8);
  await rejects(
    loadModel(path, TINY),
    /do not fit transformer .*final_layer\.linear\.weight \(expected \[16,24\], got \[32,24\]\)/,
  );
});

test.run();
