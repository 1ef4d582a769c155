/** The FID network against pytorch-fid's numbers, its suites, and its weights from files. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { pillowResizeFloat } from "../../lib/data/index.ts";
import { ndarray, readNpz, writeSafetensors } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { graphDef, scopeOf } from "../../lib/metrics/inception/frozen-graph.ts";
import { SUITES, suiteBatch } from "../../lib/metrics/inception/suites.ts";
import {
  foldInception,
  inception,
  inceptionExtractor,
  inceptionShapes,
  readInception,
} from "../../lib/metrics/index.ts";
import { type Params, type Tensor, tf } from "../../lib/tensor/index.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";
import { formulaWeights } from "./formula-weights.ts";
import { errorOf, pixelsOf } from "./images.ts";

const arrays = formulaWeights();
const params = foldInception(arrays);
const expected = await readNpz(fixture("inception.npz"));

const numbers = (name: string): Float32Array => expected[name].data as Float32Array;
/** Probabilities of the last layer without its bias. */
const softmax = (logits: Float32Array): Float32Array =>
  tf
    .softmax(tf.sub(tf.tensor2d(logits, [logits.length / 1008, 1008]), tf.tensor1d(arrays["fc.bias"])))
    .dataSync() as Float32Array;

test("the network's features, classes and spatial features are pytorch-fid's", async () => {
  const { data, shape } = expected.images299;
  const x = tf.sub(tf.div(tf.tensor4d(Array.from(data as Uint8Array), shape as never), 127.5), 1);
  const network = jit((params: Params, x: Tensor) => inception(params, x));
  const { pool, logits, spatial } = await network(params, tf.transpose(x, [0, 3, 1, 2]));
  assert.ok(errorOf(pool.dataSync(), numbers("pool")) < 1e-5);
  assert.ok(errorOf(logits.dataSync(), numbers("logits")) < 1e-5);
  assert.ok(errorOf(spatial.dataSync(), numbers("spatial")) < 1e-5);
  await network.dispose();
});

test("spatial features lie pixel by pixel, as in ADM's published statistics", async () => {
  const extractor = inceptionExtractor(params, { suite: "pytorch-fid", batchSize: 2 });
  const { spatial } = await extractor.extract(pixelsOf(expected.images299));
  // ADM flattens what TensorFlow gives, [B, 17, 17, 7]; the fixture is PyTorch's [B, 7, 17, 17].
  const want = Float32Array.from({ length: 2 * 17 * 17 * 7 }, (_, i) => {
    const [image, pixel, channel] = [Math.floor(i / (289 * 7)), Math.floor(i / 7) % 289, i % 7];
    return numbers("spatial")[(image * 7 + channel) * 289 + pixel];
  });
  assert.ok(errorOf(spatial, want) < 1e-5);
  await extractor.dispose();
});

test("the suite pytorch-fid resizes as it does, for a batch of any fullness", async () => {
  const images = pixelsOf(expected.images32);
  for (const batchSize of [1, 2, 3]) {
    const extractor = inceptionExtractor(params, { suite: "pytorch-fid", batchSize });
    const features = await extractor.extract(images);
    assert.ok(errorOf(features.pool, numbers("pool_from32")) < 1e-5);
    assert.ok(errorOf(features.probabilities, softmax(numbers("logits_from32"))) < 1e-5);
    await extractor.dispose();
  }
});

test("each suite turns pixels into the network's input in its own way", async () => {
  const images = pixelsOf(expected.images32);
  const inputs = {} as Record<keyof typeof SUITES, Tensor>;
  for (const suite of ["adm", "pytorch-fid", "clean-fid"] as const) {
    const graph = jit((x: Tensor) => SUITES[suite].graph(x));
    inputs[suite] = await graph(suiteBatch(suite, images));
    assert.equal(inputs[suite].shape, [2, 299, 299, 3]);
  }
  // TensorFlow 1: pixel i of the result is at i 32 / 299 of the image, without the half of a pixel.
  const at = (x: number, y: number, c: number): number => images[1].data[(y * 32 + x) * 3 + c];
  const between = (position: number): [number, number, number] => {
    const low = Math.floor(position);
    return [low, Math.min(low + 1, 31), position - low];
  };
  const adm = inputs.adm.dataSync();
  for (const [x, y] of [
    [0, 0],
    [1, 298],
    [150, 77],
    [298, 298],
  ]) {
    const [x0, x1, fx] = between((x * 32) / 299);
    const [y0, y1, fy] = between((y * 32) / 299);
    for (let c = 0; c < 3; c++) {
      const top = at(x0, y0, c) * (1 - fx) + at(x1, y0, c) * fx;
      const bottom = at(x0, y1, c) * (1 - fx) + at(x1, y1, c) * fx;
      const want = (top * (1 - fy) + bottom * fy - 128) / 128;
      assert.ok(Math.abs(adm[((299 + y) * 299 + x) * 3 + c] - want) < 1e-4);
    }
  }
  const clean = pillowResizeFloat(images[0], 299, 299, "bicubic").map((value) => (value - 128) / 128);
  assert.ok(errorOf(inputs["clean-fid"].dataSync().subarray(0, clean.length), clean) < 1e-6);
});

test("weights are read from files, and all that does not fit is listed", async () => {
  const path = join(await temporaryFolder(), "inception.safetensors");
  const shapes = inceptionShapes();
  const tensors = Object.fromEntries(
    Object.keys(shapes).map((name) => [name, ndarray(arrays[name], shapes[name])]),
  );
  await writeSafetensors(path, {
    ...tensors,
    "Conv2d_1a_3x3.bn.num_batches_tracked": ndarray(Float32Array.of(1), [1]),
  });
  const read = await readInception(path);
  for (const name of Object.keys(params)) assert.equal(read[name].dataSync(), params[name].dataSync(), name);
  const { "fc.bias": _, ...rest } = tensors;
  await writeSafetensors(path, { "fc.weight": rest["fc.weight"], more: ndarray(Float32Array.of(1), [1]) });
  await rejects(readInception(path), /Inception-v3 of .*missing.*Conv2d_1a_3x3/s, /more/);
});

test("ADM's frozen graph gives the same weights", async () => {
  const path = join(await temporaryFolder(), "classify_image_graph_def.pb");
  const constant = (name: string, values: Float32Array, shape: number[]) => ({
    name,
    op: "Const",
    attr: {
      value: {
        tensor: {
          dtype: 1,
          tensorShape: { dim: shape.map((size) => ({ size })) },
          tensorContent: new Uint8Array(values.buffer),
        },
      },
    },
  });
  const shapes = inceptionShapes();
  const node: object[] = [{ name: "ExpandDims", op: "ExpandDims" }];
  const reordered = (name: string, order: number[]): [Float32Array, number[]] => {
    const tensor = tf.transpose(tf.tensor(arrays[name], shapes[name]), order);
    return [tensor.dataSync() as Float32Array, tensor.shape];
  };
  for (const name of Object.keys(shapes)) {
    const [layer, part] = /^(.*)\.(conv\.weight|bn\.\w+)$/.exec(name)?.slice(1) ?? [];
    if (part === "conv.weight")
      node.push(constant(`${scopeOf(layer)}/conv2d_params`, ...reordered(name, [2, 3, 1, 0])));
    else if (part) {
      const names = {
        weight: "gamma",
        bias: "beta",
        running_mean: "moving_mean",
        running_var: "moving_variance",
      };
      const constantName = names[part.slice(3) as keyof typeof names];
      node.push(constant(`${scopeOf(layer)}/batchnorm/${constantName}`, arrays[name], shapes[name]));
    }
  }
  node.push(constant("softmax/weights", ...reordered("fc.weight", [1, 0])));
  node.push(constant("softmax/biases", arrays["fc.bias"], [1008]));
  const write = (node: object[]) => writeFile(path, graphDef.encode({ node } as never).finish());
  await write(node);
  const read = await readInception(path);
  for (const name of Object.keys(params)) assert.equal(read[name].dataSync(), params[name].dataSync(), name);
  // A norm whose operator says that it does not scale has no gamma, whatever the constant is.
  const unscaled = { scale_after_normalization: { b: false }, other: { b: true } };
  await write([
    ...node,
    { name: "conv_1/batchnorm", op: "BatchNormWithGlobalNormalization", attr: unscaled },
    { name: "conv_2/batchnorm", attr: { scale_after_normalization: { b: true } } },
  ]);
  const without = await readInception(path);
  const ones = foldInception({ ...arrays, "Conv2d_2a_3x3.bn.weight": new Float32Array(32).fill(1) });
  for (const name of Object.keys(params)) assert.equal(without[name].dataSync(), ones[name].dataSync(), name);
  await write(node.slice(0, -2));
  await rejects(
    readInception(path),
    /is not the Inception graph of 2015: no softmax\/weights; no softmax\/biases$/,
  );
  await writeFile(path, "no graph at all");
  await rejects(
    readInception(path),
    /classify_image_graph_def\.pb is not (a TensorFlow|the Inception) graph/,
  );
});

test("scopes of the frozen graph are those that TensorFlow gave", () => {
  for (const [name, scope] of [
    ["Conv2d_1a_3x3", "conv"],
    ["Conv2d_4a_3x3", "conv_4"],
    ["Mixed_5b.branch1x1", "mixed/conv"],
    ["Mixed_5c.branch5x5_2", "mixed_1/tower/conv_1"],
    ["Mixed_5d.branch3x3dbl_3", "mixed_2/tower_1/conv_2"],
    ["Mixed_6a.branch3x3", "mixed_3/conv"],
    ["Mixed_6a.branch3x3dbl_3", "mixed_3/tower/conv_2"],
    ["Mixed_6b.branch7x7_1", "mixed_4/tower/conv"],
    ["Mixed_6d.branch1x1", "mixed_6/conv"],
    ["Mixed_6e.branch7x7dbl_5", "mixed_7/tower_1/conv_4"],
    ["Mixed_6e.branch_pool", "mixed_7/tower_2/conv"],
    ["Mixed_7a.branch3x3_2", "mixed_8/tower/conv_1"],
    ["Mixed_7a.branch7x7x3_4", "mixed_8/tower_1/conv_3"],
    ["Mixed_7b.branch3x3_2a", "mixed_9/tower/mixed/conv"],
    ["Mixed_7c.branch3x3dbl_3b", "mixed_10/tower_1/mixed/conv_1"],
  ])
    assert.is(scopeOf(name), scope);
});

test.run();
