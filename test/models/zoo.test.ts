/** The zoo's sizes beside those that the papers print. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { methodPreset, paperSRA } from "../../lib/align/index.ts";
import { DIT_PROCESS, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { jit } from "../../lib/jit/index.ts";
import {
  type Condition,
  forwardMultiplyAdds,
  MODEL_NAMES,
  type ModelName,
  makeNetwork,
  modelConfig,
  type NetworkConfig,
  parameterCount,
  type TransformerName,
} from "../../lib/models/index.ts";
import { type Params, type Tensor, tf } from "../../lib/tensor/index.ts";
import { headShapes, makeTask } from "../../lib/train/index.ts";
import { fixture } from "../io/helpers.ts";

/** DiT's appendix: parameters in millions, and Gflops. */
const PAPER: Record<string, [millions: number, gflops: number]> = {
  "DiT-S/8": [33, 0.36],
  "DiT-S/4": [33, 1.41],
  "DiT-S/2": [33, 6.06],
  "DiT-B/8": [131, 1.42],
  "DiT-B/4": [130, 5.56],
  "DiT-B/2": [130, 23.01],
  "DiT-L/8": [459, 5.01],
  "DiT-L/4": [458, 19.7],
  "DiT-L/2": [458, 80.71],
  "DiT-XL/8": [676, 7.39],
  "DiT-XL/4": [675, 29.05],
  "DiT-XL/2": [675, 118.64],
};

for (const [name, [millions, gflops]] of Object.entries(PAPER)) {
  test(`${name}: ${millions}M parameters, ${gflops} Gflops`, () => {
    const config = modelConfig(name as TransformerName);
    // The paper rounds some counts and cuts others.
    const count = parameterCount(config) / 1e6;
    assert.ok([Math.round(count), Math.floor(count)].includes(millions), `${count}`);
    // It counts normalizations too: up to two in ten thousand.
    const counted = forwardMultiplyAdds(config) / 1e9;
    assert.ok(Math.abs(counted - gflops) < 0.005 + 2e-4 * gflops, `${counted}`);
  });
}

test("exact counts", () => {
  // What the released code of DiT prints for its XL/2.
  assert.is(parameterCount(modelConfig("DiT-XL/2")), 675_129_632);
  // A velocity has 4 channels where noise and variance have 8: a quarter of the last layer's rows and biases per channel.
  const half = 2 * 2 * 4 * (1152 + 1);
  assert.is(parameterCount(modelConfig("SiT-XL/2")), 675_129_632 - half);
  // SRA's head: linear layers D -> 2D -> D.
  const model = modelConfig("SiT-XL/2");
  const methods = [paperSRA({ depth: 28, process: SIT_PROCESS })];
  const head = Object.values(headShapes(makeTask({ model, process: SIT_PROCESS, methods })));
  assert.is(
    head.reduce((sum, shape) => sum + tf.util.sizeFromShape(shape), 0),
    2 * 1152 * 1152 * 2 + 3 * 1152,
  );
});

test("twenty-four models; another name says what there is", () => {
  assert.is(MODEL_NAMES.length, 24);
  assert.is(new Set(MODEL_NAMES).size, 24);
  assert.throws(
    () => modelConfig("SiT-XXL/2" as ModelName),
    /^unknown model 'SiT-XXL\/2'; expected DiT or SiT, a size of S, B, L, XL and a patch of 2, 4, 8, as in SiT-XL\/2, or MMDiT-24$/,
  );
  assert.throws(
    () => modelConfig("SiT-S/8", { inputSize: 30 }),
    /model config: inputSize must be a multiple of patchSize 8, got 30/,
  );
  assert.is(modelConfig("DiT-S/2", { inputSize: 64 }).inputSize, 64);
  // A name that is known only later takes what both kinds have.
  for (const name of ["DiT-S/2", "MMDiT-24"] as ModelName[])
    assert.is(modelConfig(name, { inputSize: 16 }).inputSize, 16);
});

test("the text-to-image model has 505M parameters, and the projector of REPA 7.3M", () => {
  const model = modelConfig("MMDiT-24");
  const tables = 768 * 16 ** 2 + 77 * 768;
  // Of a block both streams: qkv, proj and modulation (3 + 1 + 6) D^2, MLP 8 D^2, and their biases.
  const layers = 18 * 768 ** 2 + (3 + 1 + 4 + 1 + 6) * 768;
  const ends = 4 * 768 ** 2 + 4 * 768 + 9 * 768 ** 2 + 6 * 768;
  const around = [
    [16, 768],
    [256, 768],
    [768, 768],
    [768, 768],
    [768, 16],
    [768, 2 * 768],
  ].reduce((sum, [inSize, outSize]) => sum + inSize * outSize + outSize, 0);
  const counted = parameterCount(model);
  assert.is(counted - tables, 48 * layers - ends + around);
  assert.is(Math.round((counted - tables) / 1e6), 505);
  const methods = [methodPreset("repa", { depth: 24, process: SIT_PROCESS })];
  const head = Object.values(headShapes(makeTask({ model, process: SIT_PROCESS, methods })));
  const projector = head.reduce((sum, shape) => sum + tf.util.sizeFromShape(shape), 0);
  assert.is((projector / 1e6).toFixed(1), "7.3");
  assert.throws(
    () => modelConfig("MMDiT-24", { inputSize: 64 }),
    /inputSize must be at most 16 patches of 2, which the table of positions has, got 64/,
  );
});

test("multiply-adds are those of the traced network, of either kind", () => {
  const classes = modelConfig("DiT-S/4", { inputSize: 16 });
  assert.is(forwardMultiplyAdds(classes), traced(classes, { y: tf.zeros([1], "int32") }));
  const text = modelConfig("MMDiT-24", {
    inputSize: 8,
    depth: 3,
    hiddenSize: 64,
    numHeads: 4,
    textTokens: 5,
  });
  assert.is(forwardMultiplyAdds(text), traced(text, { context: tf.zeros([1, 5, 768]) }));
});

/** Half the floating-point operations of a network's forward pass on one sample, as jit counts them. */
function traced(config: NetworkConfig, condition: Condition): number {
  const net = makeNetwork(config);
  const params = Object.fromEntries(
    Object.entries(net.shapes).map(([name, shape]) => [name, tf.zeros(shape)]),
  );
  const network = jit(
    (params: Params, x: Tensor, t: Tensor, condition: Condition) => net.apply(params, x, t, condition).output,
  );
  return network.lower([params, tf.zeros([1, ...net.input]), tf.zeros([1]), condition]).flops / 2;
}

test("SRA's blocks are those of table 5", () => {
  const { models } = JSON.parse(readFileSync(fixture("paper-table5.json"), "utf8"));
  let compared = 0;
  for (const [name, { depth, hidden, heads, align }] of Object.entries<Record<string, never>>(models)) {
    const config = modelConfig(name as ModelName);
    assert.equal([config.depth, config.hiddenSize, config.numHeads], [depth, hidden, heads]);
    if (!align) continue;
    const process = name.startsWith("DiT") ? DIT_PROCESS : SIT_PROCESS;
    const { studentBlock, teacherBlock, interval } = paperSRA({ depth, process });
    assert.equal([studentBlock, teacherBlock], align);
    assert.equal(interval, name.startsWith("DiT") ? [0, 200] : [0, 0.2]);
    compared++;
  }
  assert.is(compared, 6);
});

test.run();
