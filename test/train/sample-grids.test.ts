/** Grids of samples of a text-to-image model: drawn by captions of the data, which are written beside them. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { captionedDigits, decodeImage, imageSetData, withCaptions } from "../../lib/data/index.ts";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { toUint8Images } from "../../lib/io/index.ts";
import { type MMDiTConfig, makeNetwork } from "../../lib/models/index.ts";
import { sampleGenerator } from "../../lib/samplers/index.ts";
import { tf } from "../../lib/tensor/index.ts";
import { disposeTree } from "../../lib/tensor/tree.ts";
import { TRAIN_DEFAULTS, train } from "../../lib/train/index.ts";
import { dataset } from "../experiments/least.ts";
import { temporaryFolder } from "../io/helpers.ts";

const model: MMDiTConfig = {
  ...{
    type: "mmdit",
    inputSize: 8,
    patchSize: 4,
    inChannels: 3,
    hiddenSize: 8,
    depth: 2,
    numHeads: 2,
    mlpRatio: 2,
  },
  ...{ textWidth: 16, textTokens: 12 },
};

test("each picture is of a caption of an image of the data, with guidance, and the captions lie beside", async () => {
  const { images, captions } = await captionedDigits(dataset.train, dataset.classes);
  const folder = await temporaryFolder();
  const config = { ...TRAIN_DEFAULTS, seed: 3, model, process: SIT_PROCESS, steps: 2, batchSize: 4 };
  const before = tf.memory().numTensors;
  const { state } = await train(
    { ...config, sampleEvery: 2 },
    { folder, images: withCaptions(imageSetData(images), captions) },
  );
  assert.equal((await readdir(join(folder, "samples"))).sort(), ["captions.txt", "step-00000002.png"]);
  const shown = Array.from({ length: 32 }, (_, i) => captions.images[Math.floor((i * 300) / 32)][0]);
  const texts = (await readFile(join(folder, "samples", "captions.txt"), "utf8")).trimEnd().split("\n");
  assert.equal(
    texts,
    shown.map((text) => captions.texts[text]),
  );
  assert.ok(new Set(texts).size > 10);

  const context = tf.tensor(await captions.features.read(shown), [32, 12, 16]);
  const generator = sampleGenerator(makeNetwork(model), SIT_PROCESS);
  const drawn = await generator.generate(state.ema, {
    ...{
      condition: { context },
      sampler: "euler",
      steps: 25,
      seed: 3,
      guidance: { scale: 2 },
      batchSize: 32,
    },
  } as const);
  const expected = toUint8Images(drawn.data, drawn.shape).data;
  const { data, width } = await decodeImage(await readFile(join(folder, "samples", "step-00000002.png")));
  const gap = (width - 8 * 8) / 7;
  assert.ok(Number.isInteger(gap) && gap >= 0, `${width}`);
  for (let i = 0; i < 32; i++)
    for (let y = 0; y < 8; y++)
      for (let x = 0; x < 24; x++) {
        const row = Math.floor(i / 8) * (8 + gap) + y;
        const at = 3 * (row * width + (i % 8) * (8 + gap)) + x;
        const value = expected[(i * 8 + y) * 24 + x];
        assert.ok(Math.abs(data[at] - value) <= 1, `picture ${i}`);
      }
  tf.dispose(context);
  await generator.dispose();
  disposeTree(state);
  assert.is(tf.memory().numTensors, before);
});

test.run();
