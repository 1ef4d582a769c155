/** The FID network against pytorch-fid's numbers, its suites, and evaluation from files to metrics. */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodePng, type Pixels, pillowResizeFloat } from "../../lib/data/index.ts";
import {
  type NdArray,
  ndarray,
  readNpz,
  readSafetensors,
  writeNpz,
  writeSafetensors,
} from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { graphDef, scopeOf } from "../../lib/metrics/inception/frozen-graph.ts";
import { SUITES, suiteBatch } from "../../lib/metrics/inception/suites.ts";
import {
  collectFeatures,
  type Features,
  foldInception,
  frechetDistance,
  gaussianAccumulator,
  gaussianStatistics,
  inception,
  inceptionExtractor,
  inceptionMetrics,
  inceptionShapes,
  kernelDistance,
  openImageFiles,
  readInception,
} from "../../lib/metrics/index.ts";
import { type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";
import { formulaWeights } from "./formula-weights.ts";

const BIN = fileURLToPath(new URL("../../lib/cli/bin.js", import.meta.url));
const arrays = formulaWeights();
const params = foldInception(arrays);
const expected = await readNpz(fixture("inception.npz"));

const pixelsOf = ({ data, shape }: NdArray): Pixels[] => {
  const [count, height, width] = shape;
  const area = height * width * 3;
  return Array.from({ length: count }, (_, i) => ({
    data: (data as Uint8Array).slice(i * area, (i + 1) * area),
    width,
    height,
  }));
};
/** Largest difference as a share of the largest value. */
const errorOf = (got: ArrayLike<number>, want: ArrayLike<number>): number => {
  assert.is(got.length, want.length);
  const values = Array.from(want);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return values.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i])), 0) / largest;
};
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

test("statistics of batches are those of all rows, also far from zero", async () => {
  const random = randomGenerator(2);
  const [count, size] = [1300, 7];
  const data = Float32Array.from({ length: count * size }, (_, i) => 1e3 * (i % size) + random.uniform());
  const all = gaussianStatistics({ data, count, size });
  const sums = await gaussianAccumulator(size);
  for (let start = 0; start < count; start += 300) {
    const rows = Math.min(300, count - start);
    await sums.add({ data: data.subarray(start * size, (start + rows) * size), count: rows, size });
  }
  const { mean, covariance } = sums.statistics();
  assert.ok(errorOf(mean, all.mean) < 1e-14 && errorOf(covariance, all.covariance) < 1e-11);
  await rejects(sums.add({ data: new Float32Array(4), count: 1, size: 4 }), /have 4 columns, expected 7/);
  sums.dispose();
  const none = await gaussianAccumulator(2);
  assert.throws(() => none.statistics(), /have 0 rows, expected at least 2/);
});

test("the kernel distance is its definition, and near 0 for one distribution", async () => {
  const random = randomGenerator(3);
  const make = (count: number, shift: number): Features => ({
    data: Float32Array.from(random.normals(count * 4), (value) => value + shift),
    count,
    size: 4,
  });
  const [a, b] = [make(40, 0), make(30, 0.5)];
  const kernel = (x: Features, i: number, y: Features, j: number): number => {
    let sum = 0;
    for (let d = 0; d < 4; d++) sum += x.data[i * 4 + d] * y.data[j * 4 + d];
    return (sum / 4 + 1) ** 3;
  };
  // All rows of the smaller set are in every subset; with one of the larger set's size too there is one value.
  const same = { ...b, data: b.data.map((value) => value + 1) };
  let [within, between] = [0, 0];
  for (let i = 0; i < 30; i++)
    for (let j = 0; j < 30; j++) {
      if (i !== j) within += kernel(b, i, b, j) + kernel(same, i, same, j);
      between += kernel(b, i, same, j);
    }
  const { mean, deviation } = await kernelDistance(b, same, { subsets: 3 });
  assert.ok(Math.abs(mean - (within / (30 * 29) - (2 * between) / 900)) < 1e-9 && deviation < 1e-9);
  const close = await kernelDistance(make(900, 0), make(900, 0), { subsets: 20, subsetSize: 200 });
  assert.ok(Math.abs(close.mean) < 3 * close.deviation && close.deviation > 0, JSON.stringify(close));
  assert.ok((await kernelDistance(a, b, { subsets: 20 })).mean > 0.1);
  await rejects(kernelDistance(a, { ...b, size: 3, count: 40 }), /have 4 columns and the .* 3/);
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

/** Images of noise around a color. */
function noise(count: number, side: number, seed: number): NdArray<"uint8"> {
  const random = randomGenerator(seed);
  return ndarray(
    Uint8Array.from(
      { length: count * side * side * 3 },
      (_, i) => (seed * 40 * (i % 3) + random.integer(90)) % 256,
    ),
    [count, side, side, 3],
  ) as NdArray<"uint8">;
}

test("images come from archives, compressed or not, and folders, with published statistics", async () => {
  const folder = await temporaryFolder();
  const images = noise(5, 8, 1);
  const statistics = {
    mu: ndarray(Float64Array.of(1, 2), [2]),
    sigma: ndarray(Float64Array.of(1, 0, 0, 1), [2, 2]),
  };
  await writeNpz(join(folder, "plain.npz"), { arr_0: images, ...statistics });
  await writeNpz(join(folder, "deflated.npz"), { arr_0: images }, { compress: true });
  await mkdir(join(folder, "files"));
  for (const [i, image] of pixelsOf(images).entries())
    await writeFile(join(folder, "files", `${i}.png`), await encodePng(image));
  for (const name of ["plain.npz", "deflated.npz", "files"]) {
    const set = await openImageFiles(join(folder, name));
    assert.is(set.count, 5);
    const sizes: number[] = [];
    const all: number[] = [];
    for await (const batch of set.batches(2)) {
      sizes.push(batch.length);
      for (const { data } of batch) all.push(...data);
    }
    assert.equal(sizes, [2, 2, 1]);
    assert.equal(all, [...images.data], name);
    assert.equal(set.statistics.pool?.mean, name === "plain.npz" ? Float64Array.of(1, 2) : undefined);
    await set.close();
  }
  const wrong = join(folder, "wrong.npz");
  await writeNpz(wrong, { arr_0: ndarray(new Float32Array(12), [1, 2, 2, 3]) });
  await rejects(openImageFiles(wrong), /must be uint8 \[count, height, width, 3\].*got <f4 \[1, 2, 2, 3\]/);
  await writeNpz(wrong, { other: images });
  await rejects(openImageFiles(wrong), /neither images \(arr_0\) nor statistics/);
  await writeNpz(wrong, { mu: statistics.mu, sigma: statistics.mu });
  await rejects(openImageFiles(wrong), /must be \[n\] and \[n, n\], got \[2\] and \[2\]/);
  await writeFile(wrong, (await readFile(join(folder, "plain.npz"))).subarray(0, 300));
  await rejects(openImageFiles(wrong), /is not an \.npz archive/);
});

test("from files to metrics: features are kept by content, and a set is at no distance from itself", async () => {
  const folder = await temporaryFolder();
  process.env.DITLAB_HOME = folder;
  const path = join(folder, "set.npz");
  await writeNpz(path, { arr_0: noise(6, 32, 2) });
  const other = join(folder, "other.npz");
  await writeNpz(other, { arr_0: noise(5, 32, 5) });
  const extractor = inceptionExtractor(params, { suite: "adm", batchSize: 4, cache: true });
  const collect = async (path: string, from = extractor) => {
    const files = await openImageFiles(path);
    const features = await collectFeatures(files, from);
    await files.close();
    return features;
  };
  const set = await collect(path);
  const reference = await collect(other);
  const kept = join(folder, "features");
  const [file] = await readdir(kept);
  assert.is((await readdir(kept)).length, 2, "one file for each set");

  const self = await inceptionMetrics(set, set);
  assert.ok(self.fid! < 1e-9 && self.sfid! < 1e-9);
  assert.equal([self.precision, self.recall], [1, 1]);
  const metrics = await inceptionMetrics(reference, set, ["fid", "is", "pr", "kid"]);
  const direct = frechetDistance(gaussianStatistics(reference.pool!), gaussianStatistics(set.pool!));
  assert.ok(Math.abs(metrics.fid! - direct) < 1e-9 * direct && direct > 0);
  assert.ok(metrics.is! >= 1 && metrics.kid!.mean > 0 && metrics.fidBias !== undefined);
  assert.is(metrics.sfid, undefined);
  await rejects(
    inceptionMetrics({ count: 0, statistics: set.statistics }, set, ["pr"]),
    /the reference has no images, which precision, recall and KID compare/,
  );

  // What is kept is what is read, unless it is damaged.
  const stored = await readSafetensors(join(kept, file));
  (stored.tensors.pool.data as Float32Array).fill(7);
  await writeSafetensors(join(kept, file), stored.tensors);
  const sevens = [await collect(path), await collect(other)].map(({ pool }) =>
    pool!.data.every((value) => value === 7),
  );
  assert.equal(sevens.sort(), [false, true]);
  await writeFile(join(kept, file), "damaged");
  assert.equal((await collect(path)).pool!.data, set.pool!.data);
  await extractor.dispose();

  const mixed = join(folder, "mixed");
  await mkdir(mixed);
  for (const [i, side] of [8, 9].entries())
    await writeFile(join(mixed, `${i}.png`), await encodePng(pixelsOf(noise(1, side, 1))[0]));
  await rejects(collect(mixed), /images must have one size: the first is 8 x 8, another 9 x 9/);

  const weights = join(folder, "weights.safetensors");
  const shapes = inceptionShapes();
  await writeSafetensors(
    weights,
    Object.fromEntries(Object.keys(shapes).map((name) => [name, ndarray(arrays[name], shapes[name])])),
  );
  const evaluate = async (...args: string[]) => {
    const run = promisify(execFile)(process.execPath, [BIN, "evaluate", path, ...args], {
      env: { ...process.env, DITLAB_HOME: folder },
    });
    return run.catch((error: { stdout: string; stderr: string }) => error);
  };
  const { stdout, stderr } = await evaluate(
    "--reference",
    other,
    "--weights",
    weights,
    "--metrics",
    "fid,is",
    "--json",
  );
  assert.match(stdout, /^{/, stderr);
  const printed = JSON.parse(stdout);
  assert.equal([printed.samples, printed.reference, printed.suite], [6, 5, "adm"]);
  assert.ok(Math.abs(printed.fid - direct) < 1e-9 * direct && Math.abs(printed.is - metrics.is!) < 1e-9);
  assert.match(stderr, /warning: 6 samples are fewer than the 50000 .* of the FID is due to their number/);
  const refused = await evaluate("--reference", other, "--suite", "small-cnn");
  assert.match(refused.stderr, /the suite small-cnn takes a number of training images as --reference/);
});

test.run();
