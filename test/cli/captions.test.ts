/** Text to image on the command line: trained and sampled with captions. */
import { createWriteStream } from "node:fs";
import { mkdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ZipFile } from "yazl";
import { commandLine } from "../../lib/cli/main.ts";
import {
  captionsOfTexts,
  openCaptions,
  openTrainingData,
  prepareCaptions,
  withCaptions,
} from "../../lib/data/index.ts";
import {
  formatNpy,
  fromTensor,
  ndarray,
  readNpz,
  readSafetensors,
  writeSafetensors,
} from "../../lib/io/index.ts";
import { type MMDiTConfig, makeNetwork } from "../../lib/models/index.ts";
import { loadPipeline } from "../../lib/pipeline/index.ts";
import { randomGenerator, tf } from "../../lib/tensor/index.ts";
import { openTextEncoder } from "../../lib/text/index.ts";
import { png, writeFiles } from "../data/images.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";

/** Runs a command in this process. @returns why it failed, if it did */
const ditlab = (args: string[]): Promise<string | undefined> =>
  commandLine()
    .parseAsync(args, { from: "user" })
    .then(
      () => undefined,
      (error: Error) => error.message,
    );

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
  assert.match(
    String(await ditlab([...train, ...options])),
    /need the array 'captions' with \[9,9\] numbers for each image, got none/,
  );
  assert.is(await ditlab([...train, ...options, "--captions", captions]), undefined);
  const config = JSON.parse(await readFile(join(out, "config.json"), "utf8"));
  // The model follows the images and their captions.
  assert.equal(config.model, { ...MODEL, inputSize: 8, inChannels: 3, textTokens: L, textWidth: W });
  const { tensors } = await readSafetensors(join(out, "checkpoints/step-00000002.safetensors"));
  assert.equal(tensors["model/null_context"].data, empty);

  assert.is(await ditlab(["train", "--resume", "--out", out, "--steps", "3"]), undefined);

  const drawn: Record<string, Uint8Array> = {};
  const draw = async (name: string, ...more: string[]): Promise<void> => {
    const npz = join(out, `${name}.npz`);
    assert.is(await ditlab(["sample", out, "--steps", "2", "--out", npz, ...more]), undefined);
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
  const prompted = ["sample", out, "--steps", "2", "--out", join(out, "p.npz"), "--prompt", "a dog"];
  assert.match(
    String(await ditlab(prompted)),
    /--prompt is a text that --encoder makes features of; expected both/,
  );
  const other = await ditlab([...prompted, "--encoder", fixture("clip")]);
  assert.match(
    String(other),
    /the list of texts has features of \[16,24\], but the MMDiT .* expects \[3,4\]/,
  );
  const refused = await ditlab(["sample", out, "--captions", captions, "--first", "5", "--count", "2"]);
  assert.match(String(refused), /has captions of 6 images, expected those of 7/);
});

test("captions as COCO distributes them, encoded in two runs", async () => {
  const folder = await temporaryFolder();
  const zip = join(folder, "train2014.zip");
  const archive = new ZipFile();
  for (const i of [7, 3]) archive.addBuffer(Buffer.from(await png(40, 30, i)), `train2014/COCO_${i}.png`);
  archive.end();
  await pipeline(archive.outputStream, createWriteStream(zip));
  const annotations = join(folder, "captions_train2014.json");
  const content = {
    images: [3, 7, 9].map((id) => ({ id, file_name: `COCO_${id}.png`, height: 30 })),
    annotations: [
      { id: 5, image_id: 7, caption: "the red dog\n" },
      { id: 4, image_id: 3, caption: "a cat" },
      { id: 1, image_id: 7, caption: "the dog" },
      { id: 6, image_id: 9, caption: "of no image here" },
    ],
  };
  await writeFile(annotations, JSON.stringify(content));
  const out = join(folder, "captions");
  const prepare = [
    "prepare",
    "captions",
    zip,
    annotations,
    out,
    "--encoder",
    fixture("clip"),
    "--shard-size",
    "3",
  ];
  assert.is(await ditlab(prepare), undefined);
  const captions = await openCaptions(out);
  assert.equal(captions.texts, ["", "a cat", "the dog", "the red dog"]);
  assert.equal(captions.images, [[1], [2, 3]]);
  const encoder = await openTextEncoder(fixture("clip"));
  const expected = await encoder.encode(captions.texts);
  assert.equal(await captions.features.read([0, 1, 2, 3]), expected);
  await captions.features.close();

  // Stopped within a text's features, before the second of two files.
  await rm(join(out, "captions.json"));
  await rm(join(out, "features-00001.npy"));
  const first = join(out, "features-00000.npy");
  await truncate(first, (await stat(first)).size - 10);
  const again = await prepareCaptions(zip, annotations, out, { encoder, shardSize: 3 });
  assert.equal([again.count, again.skipped, again.written, again.finished], [4, 2, 2, true]);
  await rejects(prepareCaptions(zip, annotations, out, { encoder, shardSize: 2 }), /with shardSize 3, got 2/);
  const whole = await openCaptions(out);
  assert.equal(await whole.features.read([0, 1, 2, 3]), expected);
  await whole.features.close();

  const less = { ...content, annotations: content.annotations.slice(0, 1) };
  await writeFile(annotations, JSON.stringify(less));
  await rejects(
    prepareCaptions(zip, annotations, out, { encoder, shardSize: 3 }),
    /captions_train2014\.json has no caption of train2014\/COCO_3\.png/,
  );
  await writeFile(annotations, JSON.stringify({ images: [] }));
  await rejects(
    prepareCaptions(zip, annotations, out, { encoder, shardSize: 3 }),
    /captions_train2014\.json: annotations is missing, expected a list/,
  );
  await encoder.dispose();

  // The images themselves, in the same order.
  const images = join(folder, "images");
  assert.is(await ditlab(["prepare", "images", zip, images, "--size", "16"]), undefined);
  const data = withCaptions(await openTrainingData(images, {}), await openCaptions(out));
  assert.equal([data.count, data.shape, data.arrays], [2, [3, 16, 16], { captions: [16, 24] }]);
  await data.close();
});

test("a model draws texts in turn, as it draws captions with the same features", async () => {
  const folder = await temporaryFolder();
  const model: MMDiTConfig = { ...MODEL, inputSize: 8, inChannels: 3, textTokens: 16, textWidth: 24 };
  const params = makeNetwork(model).init(randomGenerator(2));
  const file = join(folder, "model.safetensors");
  const tensors = await Promise.all(
    Object.entries(params).map(async ([name, tensor]) => [name, await fromTensor(tensor)] as const),
  );
  await writeSafetensors(file, Object.fromEntries(tensors));
  const json = join(folder, "model.json");
  await writeFile(json, JSON.stringify(model));
  const out = join(folder, "p.npz");
  const failed = await ditlab([
    ...["sample", "--checkpoint", file, "--model", json, "--out", out, "--steps", "2", "--count", "3"],
    ...["--encoder", fixture("clip"), "--prompt", "a red dog", "the cat"],
  ]);
  assert.is(failed, undefined);
  const encoder = await openTextEncoder(fixture("clip"));
  const { features } = await captionsOfTexts(["a red dog", "the cat"], encoder);
  await encoder.dispose();
  const context = tf.tensor(await features.read([1, 2, 1]), [3, 16, 24]);
  const pipeline = await loadPipeline(file, { model });
  const expected = await pipeline.sample({ condition: { context }, steps: 2, seed: 0 });
  await pipeline.dispose();
  const drawn = (await readNpz(out)).arr_0;
  assert.equal(drawn.data, expected.images!.data);
});

test("an MMDiT knows no classes", async () => {
  const { images, captions, model } = await files();
  const train = ["train", "--images", images, "--captions", captions, "--model", model, "--classes", "3"];
  assert.match(String(await ditlab(train)), /an MMDiT is told captions; expected no --classes/);
});

test.run();
