/** Captions beside images: which one an example gets, what is refused, and the small pictures that have them. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  COLOURS,
  CORNERS,
  captionedDigits,
  firstCaptions,
  type ImageSet,
  imageSetData,
  loadImageSet,
  openCaptions,
  openTrainingData,
  withCaptions,
  writeCaptioned,
} from "../../lib/data/index.ts";
import { imageTensor } from "../../lib/data/tensors.ts";
import { formatNpy, ndarray } from "../../lib/io/index.ts";
import { factReader } from "../../lib/metrics/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { smallImages } from "../train/small.ts";

const [L, W] = [2, 3];
/** A folder of captions whose features are the text's number. */
async function folderOf(
  index: object,
  rows: number,
  dtype: "float32" | "float64" = "float32",
): Promise<string> {
  const folder = await temporaryFolder();
  const values = Array.from({ length: rows * L * W }, (_, i) => Math.floor(i / (L * W)));
  const data = dtype === "float32" ? Float32Array.from(values) : Float64Array.from(values);
  await writeFile(join(folder, "features.npy"), formatNpy(ndarray(data, [rows, L, W])));
  await writeFile(join(folder, "captions.json"), JSON.stringify(index));
  return folder;
}
const format = "ditlab-captions-1";
const texts = ["", "one", "two", "three", "four"];
const images = smallImages(3);

test("an example has one of its image's captions, another one in other epochs, the same for the same place", async () => {
  const folder = await folderOf({ format, texts, images: [[1, 2], [3], [4]] }, 5, "float64");
  const data = withCaptions(imageSetData(images), await openCaptions(folder));
  assert.equal(data.arrays, { captions: [L, W] });
  assert.equal([...data.nothing!.captions], new Array(L * W).fill(0));
  const { indices, arrays } = await data.read(1, 0, 60);
  const drawn = indices.map((_, i) => arrays!.captions[i * L * W]);
  const seen = [0, 1, 2].map((image) => [...new Set(drawn.filter((_, i) => indices[i] === image))].sort());
  assert.equal(seen, [[1, 2], [3], [4]]);
  const again = await data.read(1, 7, 5);
  assert.equal([...again.arrays!.captions], [...arrays!.captions.slice(7 * L * W, 12 * L * W)]);
  const captions = await openCaptions(folder);
  const first = await firstCaptions(captions, [2, 0]);
  await captions.features.close();
  assert.equal([first[0], first[L * W]], [4, 1]);
  assert.is(await data.fingerprint!(), await data.fingerprint!());
  await data.close();
});

test("features in shards are read across them, and all of one shape", async () => {
  const folder = await folderOf(
    { format, texts, images: [[1], [2], [3, 4]], features: ["a.npy", "b.npy"] },
    1,
  );
  const write = (name: string, from: number, rows: number, width = W) => {
    const values = Float32Array.from(
      { length: rows * L * width },
      (_, i) => from + Math.floor(i / (L * width)),
    );
    return writeFile(join(folder, name), formatNpy(ndarray(values, [rows, L, width])));
  };
  await write("a.npy", 0, 2);
  await write("b.npy", 2, 3);
  const captions = await openCaptions(folder);
  const rows = await captions.features.read([4, 0, 1, 2]);
  assert.equal([captions.features.count, ...rows.filter((_, i) => i % (L * W) === 0)], [5, 4, 0, 1, 2]);
  await captions.features.close();
  await write("b.npy", 2, 3, 4);
  await rejects(openCaptions(folder), /b\.npy has rows of \[2,4\], expected \[2,3\] as .*a\.npy/);
  await rejects(
    openCaptions(await folderOf({ format, texts, images: [[1]], features: ["../a.npy"] }, 5)),
    /features\.0 must be the name of a \.npy file beside the index, got "\.\.\/a\.npy"/,
  );
});

test("captions that do not fit are refused", async () => {
  const opened = async (index: object, rows = 5) => openCaptions(await folderOf(index, rows));
  await rejects(
    opened({ format, texts: ["a"], images: [[1]] }, 1),
    /text 0 .* must be the empty caption, got "a"/,
  );
  await rejects(opened({ format, texts, images: [[1], []] }), /image 1 of .* has no caption/);
  await rejects(opened({ format, texts, images: [[5]] }), /has the text 5; there are 5/);
  await rejects(opened({ format, texts, images: [[0]] }), /images\.0\.0 must be a text's number, got 0/);
  await rejects(
    opened({ format, texts, images: [[1]] }, 4),
    /must hold the features of 5 texts, .* got \[4,2,3\]/,
  );
  const two = await opened({ format, texts, images: [[1], [2]] });
  assert.throws(
    () => withCaptions(imageSetData(images), two),
    /captions of 2 images, expected those of the 3/,
  );
  await two.features.close();
});

/** Grey 28x28 images of MNIST. */
const mnist: ImageSet = await loadImageSet("mnist", "train");
const DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

test("small pictures are as their captions say", async () => {
  const set = await captionedDigits(mnist, DIGITS, { count: 60 });
  assert.equal([set.images.width, set.images.height, set.images.channels], [28, 28, 3]);
  assert.equal((await captionedDigits(mnist, DIGITS, { count: 60 })).images, set.images);
  assert.is(set.captions.texts.length, 1 + 10 * 4 * 4 * 5);
  for (const [i, { what, corner, colour }] of set.facts.entries()) {
    const said = set.captions.images[i].map((text) => set.captions.texts[text]);
    assert.is(new Set(said).size, 5);
    for (const text of said)
      for (const word of [DIGITS[what], CORNERS[corner], COLOURS[colour][0]])
        assert.ok(text.includes(word), text);
  }
  assert.is(new Set(set.facts.map(({ corner }) => corner)).size, 4);
  assert.is(new Set(set.facts.map(({ colour }) => colour)).size, 4);
});

test("what pictures show is read from them", async () => {
  const held = await loadImageSet("mnist", "test");
  const { images, facts } = await captionedDigits(held, DIGITS, { count: 300, seed: 3 });
  const x = imageTensor(images, Array.from(facts.keys()));
  const pictures = ndarray(x.dataSync() as Float32Array<ArrayBuffer>, [300, 3, 28, 28]);
  const reader = factReader(mnist);
  const agreement = reader.agreement(pictures, facts);
  assert.equal([agreement.corner, agreement.colour], [1, 1]);
  assert.ok(agreement.what > 0.85 && agreement.all === agreement.what, `${agreement.what}`);
  const others = facts.map((fact) => ({ ...fact, corner: 3 - fact.corner }));
  assert.is(reader.agreement(pictures, others).all, 0);
});

test("small pictures are written as files, and read as they are in memory", async () => {
  const folder = join(await temporaryFolder(), "pictures");
  const set = await captionedDigits(mnist, DIGITS, { count: 20 });
  await writeCaptioned(set, folder, { count: 20 });
  const memory = withCaptions(imageSetData(set.images), set.captions);
  const files = withCaptions(
    await openTrainingData(join(folder, "images"), {}),
    await openCaptions(join(folder, "captions")),
  );
  assert.equal(await files.read(2, 0, 30), await memory.read(2, 0, 30));
  await files.close();
  await rejects(writeCaptioned(set, folder, { count: 21 }), /its count was 20, got 21/);
});

test("what cannot be a small picture is refused", async () => {
  await rejects(captionedDigits({ ...mnist, width: 27 }, DIGITS), /grey images of even size, got 27 x 28/);
  await rejects(
    captionedDigits(mnist, DIGITS, { count: 0 }),
    /count must be an integer from 1 to 60000, got 0/,
  );
});

test.run();
