/**
 * CLIP's text encoder against the transformers library (5.18.0, PyTorch 2.13): last hidden states of a tiny encoder of
 * random weights, whose tokenizer has a byte-level vocabulary with a few merges, as that library saved them.
 */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  ndarray,
  readNpz,
  readSafetensors,
  tensorsOf,
  toFloat64,
  writeSafetensors,
} from "../../lib/io/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { type Tensor, tf } from "../../lib/tensor/tf.ts";
import { clipTextFeatures, openTextEncoder, parseCLIPText } from "../../lib/text/index.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";

const FOLDER = fixture("clip");
const expected = await readNpz(join(FOLDER, "expected.npz"));
const texts: string[] = JSON.parse(await readFile(join(FOLDER, "texts.json"), "utf8"));

test("features of texts, the empty one and one that is cut among them", async () => {
  const encoder = await openTextEncoder(FOLDER);
  assert.equal(encoder.shape, [16, 24]);
  const features = await encoder.encode(texts);
  assert.ok(
    relativeError(features, expected.features) < 1e-4,
    `${relativeError(features, expected.features)}`,
  );
  const [one] = [await encoder.encode(texts.slice(2, 3))];
  const size = 16 * 24;
  assert.ok(relativeError(one, features.slice(2 * size, 3 * size)) < 1e-6);
  // More than are encoded together.
  const many = await encoder.encode(Array.from({ length: 37 }, (_, i) => texts[i % texts.length]));
  assert.ok(relativeError(many.slice(36 * size), features.slice(size, 2 * size)) < 1e-6);
  await encoder.dispose();
});

test("the same without a compiler, from the same token ids", async () => {
  const config = parseCLIPText(JSON.parse(await readFile(join(FOLDER, "config.json"), "utf8")), "config");
  const { tensors } = await readSafetensors(join(FOLDER, "model.safetensors"));
  const params = Object.fromEntries(
    Object.entries(tensorsOf(tensors)).map(([name, tensor]) => [`text_model.${name}`, tensor]),
  );
  const ids = tf.tensor(Int32Array.from(toFloat64(expected.ids)), [5, 16], "int32");
  const features: Tensor = clipTextFeatures(params, config, ids);
  assert.ok(relativeError(features, expected.features) < 1e-4);
});

/** The encoder's folder, changed. */
async function changed(change: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(await temporaryFolder(), "clip");
  await cp(FOLDER, folder, { recursive: true });
  await change(folder);
  return folder;
}

test("an ONNX file in the place of weights gives the same features", async () => {
  const config = parseCLIPText(JSON.parse(await readFile(join(FOLDER, "config.json"), "utf8")), "config");
  const { tensors } = await readSafetensors(join(FOLDER, "model.safetensors"));
  const params = Object.fromEntries(
    Object.entries(tensorsOf(tensors)).map(([name, tensor]) => [`text_model.${name}`, tensor]),
  );
  const ids = tf.zeros([3, 16], "int32");
  const exported = (width = 24) =>
    jit((ids: Tensor) => tf.slice(clipTextFeatures(params, config, ids), [0, 0, 0], [3, 16, width])).lower(
      [ids],
      { portable: true },
    ).onnx;
  const folder = await changed(async (folder) => {
    await rm(join(folder, "model.safetensors"));
    await writeFile(join(folder, "text_model.onnx"), exported());
  });
  const encoder = await openTextEncoder(folder);
  assert.equal(encoder.shape, [16, 24]);
  assert.ok(relativeError(await encoder.encode(texts), expected.features) < 1e-4);
  assert.match(await encoder.fingerprint(), /^[0-9a-f]+$/);
  await encoder.dispose();
  await writeFile(join(folder, "text_model.onnx"), exported(12));
  const other = await openTextEncoder(folder);
  await rejects(
    other.encode(texts),
    /text_model\.onnx makes \[3,16,12\] of 3 texts; its config\.json says \[3,16,24\]$/,
  );
  await other.dispose();
  await writeFile(
    join(folder, "text_model.onnx"),
    jit((x: Tensor) => tf.neg(x)).lower([tf.zeros([2, 3])]).onnx,
  );
  await rejects(
    openTextEncoder(folder),
    /text_model\.onnx is no text encoder that can be run here: expected input_ids, .* and last_hidden_state; got .*\[2,3\]/,
  );
  await rm(join(folder, "text_model.onnx"));
  await rejects(openTextEncoder(folder), /has no weights; expected model\.safetensors or pytorch_model\.bin/);
});

test("names with the text half's prefix, and a config of the whole CLIP, are read too", async () => {
  const folder = await changed(async (folder) => {
    const path = join(folder, "model.safetensors");
    const { tensors } = await readSafetensors(path);
    const named = Object.entries(tensors).map(([name, tensor]) => [`text_model.${name}`, tensor]);
    const image = { "vision_model.post_layernorm.weight": ndarray(new Float32Array(3), [3]) };
    await writeSafetensors(path, { ...Object.fromEntries(named), ...image });
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    await writeFile(join(folder, "config.json"), JSON.stringify({ text_config: config, vision_config: {} }));
  });
  const encoder = await openTextEncoder(folder);
  const features = await encoder.encode(texts.slice(0, 1));
  assert.ok(relativeError(features, toFloat64(expected.features).slice(0, 16 * 24)) < 1e-4);
  await encoder.dispose();
});

test("what is missing or unfit is named", async () => {
  const without = (name: string): Promise<string> => changed((folder) => rm(join(folder, name)));
  await rejects(
    openTextEncoder("/nowhere"),
    /\/nowhere\/config\.json is missing; expected a text encoder's folder/,
  );
  await rejects(
    openTextEncoder(await without("model.safetensors")),
    /has no weights; expected model\.safetensors or/,
  );
  await rejects(openTextEncoder(await without("tokenizer.json")), /tokenizer\.json is missing/);
  const other = await changed((folder) =>
    writeFile(join(folder, "config.json"), JSON.stringify({ hidden_size: 32, num_attention_heads: 4 })),
  );
  await rejects(
    openTextEncoder(other),
    /parameters do not fit the text encoder of .*missing: .*wrong shape: /,
  );
  assert.throws(
    () => parseCLIPText({ hidden_size: "a", hidden_act: "relu" }, "c.json"),
    /c\.json: hidden_size must be .*hidden_act must be quick_gelu or gelu, got "relu"/,
  );
});

test.run();
