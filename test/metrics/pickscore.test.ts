/**
 * PickScore against the transformers library and Pillow: a tiny CLIP of random weights, whose numbers
 * test/fixtures/pickscore/make.py made.
 */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Pixels } from "../../lib/data/index.ts";
import { readNpz, toFloat64 } from "../../lib/io/index.ts";
import { openPickScore } from "../../lib/metrics/index.ts";
import { tf } from "../../lib/tensor/index.ts";
import { clipPixels } from "../../lib/vision/clip.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";

const FOLDER = fixture("pickscore");
const expected = await readNpz(join(FOLDER, "expected.npz"));
const texts: string[] = JSON.parse(await readFile(join(FOLDER, "texts.json"), "utf8"));
const images = texts.map((_, i): Pixels => {
  const { data, shape } = expected[`image_${i}`];
  const [height, width] = shape;
  return { data: data as Uint8Array, width, height };
});

/** The model's folder, with the tokenizer that it shares with the text encoder's test. */
async function folder(): Promise<string> {
  const path = await temporaryFolder();
  for (const file of ["config.json", "model.safetensors"]) await cp(join(FOLDER, file), join(path, file));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    await cp(join(fixture("clip"), file), join(path, file));
  return path;
}

test("pixels are those of CLIP's processor, of square, wide and tall images", () => {
  const side = 32;
  const all = toFloat64(expected.pixels);
  for (const [i, image] of images.entries()) {
    const values = clipPixels(image, side);
    const own = all.subarray(i * values.length, (i + 1) * values.length);
    const most = values.reduce((most, value, k) => Math.max(most, Math.abs(value - own[k])), 0);
    assert.ok(most < 1e-5, `${image.width} x ${image.height}: ${most}`);
  }
});

test("scores are those of the published model's card, in whatever number they are asked for", async () => {
  const before = tf.memory().numTensors;
  const pickScore = await openPickScore(await folder());
  const close = (scores: Float32Array, wanted: readonly number[]): void => {
    assert.is(scores.length, wanted.length);
    for (const [i, score] of scores.entries())
      assert.ok(Math.abs(score - wanted[i]) < 1e-3, `${score} for ${wanted[i]}`);
  };
  const wanted = [...toFloat64(expected.scores)];
  close(await pickScore.score(images, texts), wanted);
  // Ten are more than are computed together.
  const order = Array.from({ length: 10 }, (_, i) => (7 * i) % 3);
  close(
    await pickScore.score(
      order.map((i) => images[i]),
      order.map((i) => texts[i]),
    ),
    order.map((i) => wanted[i]),
  );
  await rejects(pickScore.score(images, ["one"]), /takes a text for each image, got 3 images and 1 texts/);
  await pickScore.dispose();
  assert.is(tf.memory().numTensors, before);
});

test("what is missing is named", async () => {
  const path = await folder();
  await rm(join(path, "tokenizer.json"));
  await rejects(openPickScore(path), /tokenizer\.json is missing; expected a text encoder's folder/);
  const config = JSON.parse(await readFile(join(path, "config.json"), "utf8"));
  await writeFile(join(path, "config.json"), JSON.stringify({ ...config, vision_config: undefined }));
  await rejects(openPickScore(path), /config\.json has no vision_config; expected that of a whole CLIP/);
  const other = await folder();
  await writeFile(
    join(other, "config.json"),
    JSON.stringify({
      ...config,
      projection_dim: 12,
      vision_config: { ...config.vision_config, hidden_size: 12 },
    }),
  );
  await rejects(openPickScore(other), /the CLIP of .*vision_model/s);
  await rejects(openPickScore("/nowhere"), /config\.json is missing; expected PickScore's folder/);
});

test.run();
