/** DINOv2 against the transformers library, whose random small model is in fixtures/dinov2, and PyTorch's resizing. */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type NdArray, ndarray, toFloat64, writeSafetensors } from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import {
  bicubic,
  dinov2Features,
  normalizedPixels,
  openImageEncoder,
  readDINOv2,
  resizedPositions,
} from "../../lib/vision/index.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";
import { arrays, relativeError } from "../parity.ts";

const folder = fixture("dinov2");
const given = await arrays("dinov2/expected.npz");
const [count, , height, width] = given.images.shape;
const bytes = toFloat64(given.images);
/** Images [N,C,H,W] as pixels, whose channels come last. */
const images = Array.from({ length: count }, (_, n) => ({
  ...{ width, height },
  data: Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const [at, channel] = [Math.floor(i / 3), i % 3];
    return bytes[(n * 3 + channel) * width * height + at];
  }),
}));
const close = (actual: ArrayLike<number>, expected: NdArray, tolerance: number, what: string): void => {
  const error = relativeError(actual, expected);
  assert.ok(error < tolerance, `${what}: ${error}`);
};

test("pixels are normalized and resized as REPA does, positions with antialiasing", async () => {
  const pixels = images.flatMap((image) => [...normalizedPixels(image, 56)]);
  close(pixels, given.pixels, 1e-5, "pixels");
  const { params } = await readDINOv2(folder);
  const positions = resizedPositions(params.pos_embed, 6, 4);
  close(positions.dataSync(), given.positions, 1e-5, "positions");
  // Of as many pixels as before all is as it was, also with antialiasing.
  const row = [3, 1, 4, 1, 5, 9];
  for (const antialias of [false, true])
    assert.equal([...bicubic(row, [1, 2, 3], [2, 3], { antialias })], row);
});

test("features of patches, at another grid and at the table's own", async () => {
  for (const [grid, expected] of [
    [4, given.features],
    [6, given.features84],
  ] as const) {
    const encoder = await openImageEncoder(folder, { grid });
    assert.equal(encoder.shape, [grid ** 2, 24]);
    close(await encoder.encode(images), expected, 1e-4, `grid ${grid}`);
    assert.match(await encoder.fingerprint(), /^[0-9a-f]+$/);
    await encoder.dispose();
  }
});

test("queries and keys of patches by block, without the class's, as HASTE takes them", async () => {
  const { attention } = await arrays("dinov2/attention.npz");
  const encoder = await openImageEncoder(folder, { grid: 4, attention: [1, 2] });
  assert.equal(encoder.shape, [4, 3, 16, 8]);
  close(await encoder.encode(images), attention, 1e-4, "attention");
  await encoder.dispose();
  try {
    await openImageEncoder(folder, { grid: 4, attention: [2, 3] });
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /has blocks 1 to 2; expected attention of some of them, got 3$/);
  }
});

test("an ONNX file gives the same features, whatever tokens come before the patches'", async () => {
  const { config, params } = await readDINOv2(folder);
  const home = await temporaryFolder();
  await mkdir(join(home, "onnx"));
  const path = join(home, "onnx", "model.onnx");
  const describe = (description: object) => writeFile(join(home, "config.json"), JSON.stringify(description));
  const seen = { ...config, grid: 4 };
  const positions = resizedPositions(params.pos_embed, 6, 4);
  const exported = async (registers: number): Promise<void> => {
    const network = jit((x: Tensor) => {
      const features = dinov2Features({ ...params, pos_embed: positions }, seen, x);
      return { last_hidden_state: tf.concat([tf.zeros([2, 1 + registers, config.width]), features], 1) };
    });
    const side = 4 * config.patchSize;
    await writeFile(path, network.lower([tf.zeros([2, 3, side, side])], { portable: true }).onnx);
  };
  await describe({ patch_size: config.patchSize });
  for (const registers of [0, 4]) {
    await exported(registers);
    const encoder = await openImageEncoder(path, { grid: 4 });
    assert.equal(encoder.shape, [16, 24]);
    close(await encoder.encode(images), given.features, 1e-4, `${registers} registers`);
    assert.match(await encoder.fingerprint(), /^[0-9a-f]+$/);
    await encoder.dispose();
  }
  // Other colours, as CLIP's, are other numbers.
  await writeFile(
    join(home, "onnx", "preprocessor_config.json"),
    JSON.stringify({ image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] }),
  );
  const other = await openImageEncoder(path, { grid: 4 });
  assert.ok(relativeError(await other.encode(images), given.features) > 1e-2);
  await other.dispose();
  const refused = (options: object, message: RegExp) => rejects(openImageEncoder(path, options), message);
  await refused({ grid: 6 }, /its images are \d+ wide, but 6 patches of \d+ are \d+$/);
  await refused({ grid: 4, attention: [1] }, /gives features alone; expected DINOv2's weights/);
  await writeFile(path, "not a model");
  await refused({ grid: 4 }, /model\.onnx is no ONNX model$/);
  await writeFile(path, jit((x: Tensor) => tf.neg(x)).lower([tf.zeros([2, 3])], { portable: true }).onnx);
  await refused(
    { grid: 4 },
    /is no image encoder that can be run here: expected one input of float32 pixels/,
  );
});

test("the authors' own file has other names, and the same features", async () => {
  const { params } = await readDINOv2(folder);
  const path = join(await mkdtemp(join(tmpdir(), "ditlab-")), "vit.safetensors");
  const named = Object.entries(params).map(([name, tensor]): [string, NdArray] => [
    name,
    ndarray(tensor.dataSync() as Float32Array, tensor.shape),
  ]);
  await writeSafetensors(path, Object.fromEntries(named));
  // Published heads are 64 wide, and these are not.
  try {
    await readDINOv2(path);
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /vit\.safetensors is 24 wide, expected a multiple of 64/);
  }
  const told = await mkdtemp(join(tmpdir(), "ditlab-"));
  await writeSafetensors(join(told, "model.safetensors"), Object.fromEntries(named));
  await writeFile(join(told, "config.json"), '{"num_attention_heads":3}');
  const encoder = await openImageEncoder(told, { grid: 4 });
  close(await encoder.encode(images), given.features, 1e-4, "features");
  await encoder.dispose();
  tf.dispose(params);
});

test("what is no such encoder is named", async () => {
  const empty = await mkdtemp(join(tmpdir(), "ditlab-"));
  const refused = async (path: string, sentence: RegExp): Promise<void> => {
    try {
      await readDINOv2(path);
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, sentence);
    }
  };
  await refused(empty, /has no weights; expected model\.safetensors or pytorch_model\.bin/);
  const other = join(empty, "model.safetensors");
  await writeSafetensors(other, { a: ndarray(new Float32Array(1), [1]) });
  await refused(empty, /is no DINOv2 encoder: it has no embeddings\.patch_embeddings\.projection\.weight/);
  await writeFile(join(empty, "config.json"), '{"model_type":"clip"}');
  await refused(empty, /config\.json is of a clip; expected a dinov2/);
});

test.run();
