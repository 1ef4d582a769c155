/** Text to image on the command line: trained and sampled with captions. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatNpy, ndarray, readNpz, readSafetensors } from "../../lib/io/index.ts";
import type { MMDiTConfig } from "../../lib/models/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { png, writeFiles } from "../data/images.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { ditlab } from "./helpers.ts";

const [L, W] = [3, 4];
const COUNT = 6;
const MODEL: MMDiTConfig = {
  type: "mmdit",
  inputSize: 32,
  patchSize: 4,
  inChannels: 4,
  hiddenSize: 16,
  depth: 2,
  numHeads: 2,
  mlpRatio: 2,
  textWidth: 9,
  textTokens: 9,
};

/** Images of 8x8 pixels, two captions for each, and a model of another size. */
async function files(): Promise<{ images: string; captions: string; model: string; empty: Float32Array }> {
  const folder = await temporaryFolder();
  const [images, captions] = [join(folder, "images"), join(folder, "captions")];
  for (let i = 0; i < COUNT; i++) await writeFiles(images, { [`${i}.png`]: await png(8, 8, 20 * i) });
  await mkdir(captions);
  const texts = ["", ...Array.from({ length: 2 * COUNT }, (_, i) => `text ${i}`)];
  const features = randomGenerator(4).normals(texts.length * L * W);
  await writeFile(join(captions, "features.npy"), formatNpy(ndarray(features, [texts.length, L, W])));
  const index = {
    format: "ditlab-captions-1",
    texts,
    images: Array.from({ length: COUNT }, (_, i) => [2 * i + 1, 2 * i + 2]),
  };
  await writeFile(join(captions, "captions.json"), JSON.stringify(index));
  const model = join(folder, "model.json");
  await writeFile(model, JSON.stringify(MODEL));
  return { images, captions, model, empty: features.slice(0, L * W) };
}

test("a text-to-image model is trained with captions, goes on, and draws by them", async () => {
  const { images, captions, model, empty } = await files();
  const out = join(await temporaryFolder(), "run");
  const train = ["train", "--preset", "tiny", "--images", images, "--model", model, "--out", out];
  const options = ["--steps", "2", "--batch-size", "4", "--checkpoint-every", "2"];
  const without = await ditlab([...train, ...options]);
  assert.is(without.code, 1);
  assert.match(without.stderr, /need the array 'captions' with \[9,9\] numbers for each image, got none/);
  const trained = await ditlab([...train, ...options, "--captions", captions]);
  assert.is(trained.code, 0, trained.stderr);
  const config = JSON.parse(await readFile(join(out, "config.json"), "utf8"));
  // The model follows the images and their captions.
  assert.equal(config.model, { ...MODEL, inputSize: 8, inChannels: 3, textTokens: L, textWidth: W });
  const { tensors } = await readSafetensors(join(out, "checkpoints/step-00000002.safetensors"));
  assert.equal(tensors["model/null_context"].data, empty);

  const on = await ditlab(["train", "--resume", "--out", out, "--steps", "3"]);
  assert.is(on.code, 0, on.stderr);

  const drawn: Record<string, Uint8Array> = {};
  const draw = async (name: string, ...more: string[]): Promise<void> => {
    const npz = join(out, `${name}.npz`);
    const { code, stderr } = await ditlab(["sample", out, "--steps", "2", "--out", npz, ...more]);
    assert.is(code, 0, stderr);
    const { arr_0 } = await readNpz(npz);
    assert.equal(arr_0.shape, [name === "two" ? 2 : COUNT, 8, 8, 3]);
    drawn[name] = arr_0.data as Uint8Array;
  };
  await draw("all", "--captions", captions, "--guidance", "2", "--batch-size", "4");
  await draw("two", "--captions", captions, "--guidance", "2", "--first", "3", "--count", "2");
  await draw("none", "--count", String(COUNT));
  const size = 8 * 8 * 3;
  assert.equal(drawn.two, drawn.all.slice(3 * size, 5 * size));
  assert.not.equal(drawn.none, drawn.all);
  const refused = await ditlab(["sample", out, "--captions", captions, "--first", "5", "--count", "2"]);
  assert.match(refused.stderr, /has captions of 6 images, expected those of 7/);
});

test("an MMDiT knows no classes", async () => {
  const { images, captions, model } = await files();
  const train = ["train", "--images", images, "--captions", captions, "--model", model, "--classes", "3"];
  const { code, stderr } = await ditlab(train);
  assert.is(code, 1);
  assert.match(stderr, /an MMDiT is told captions; expected no --classes/);
});

test.run();
