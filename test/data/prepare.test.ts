/** Sources of images, and what preparation makes of them. */
import { createWriteStream } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ZipFile } from "yazl";
import {
  centerCrop,
  decodeImage,
  openSource,
  prepareImages,
  prepareLatents,
  type Source,
} from "../../lib/data/index.ts";
import { parseNpy } from "../../lib/io/index.ts";
import { tf } from "../../lib/tensor/index.ts";
import { encode, readVAE } from "../../lib/vae/index.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";
import { png, writeFiles } from "./images.ts";

const listed = ({ files }: Source): [string, number | null][] =>
  files.map(({ name, label }) => [name, label]);
const json = async (...path: string[]): Promise<unknown> => JSON.parse(await readFile(join(...path), "utf8"));

async function zip(path: string, files: Record<string, Uint8Array | string>): Promise<void> {
  const archive = new ZipFile();
  for (const [name, content] of Object.entries(files)) archive.addBuffer(Buffer.from(content), name);
  archive.end();
  await pipeline(archive.outputStream, createWriteStream(path));
}

/** A VAE of the fixture's weights, as diffusers stores it. */
async function vaeFolder(): Promise<string> {
  const folder = await temporaryFolder();
  await writeFiles(folder, {
    "config.json": await readFile(fixture("vae-config.json")),
    "diffusion_pytorch_model.safetensors": await readFile(fixture("vae.safetensors")),
  });
  return folder;
}

test("labels come from class folders in the order of their names, from dataset.json, or are none", async () => {
  const folder = await temporaryFolder();
  await writeFiles(folder, {
    "n02/b.JPEG": "",
    "n02/a.png": "",
    "n01/deep/c.webp": "",
    "n01/.hidden.png": "",
    "__MACOSX/n01/c.png": "",
    "n01/notes.txt": "",
  });
  const source = await openSource(folder);
  assert.equal(listed(source), [
    ["n01/deep/c.webp", 0],
    ["n02/a.png", 1],
    ["n02/b.JPEG", 1],
  ]);
  assert.equal(source.classes, ["n01", "n02"]);

  const labels = [
    ["n02/b.JPEG", 7],
    ["n02/a.png", 5],
    ["n01/deep/c.webp", 0],
  ];
  await writeFiles(folder, { "dataset.json": JSON.stringify({ labels }) });
  assert.equal(listed(await openSource(folder)), [
    ["n01/deep/c.webp", 0],
    ["n02/a.png", 5],
    ["n02/b.JPEG", 7],
  ]);
  await writeFiles(folder, { "dataset.json": '{"labels": null}' });
  assert.ok((await openSource(folder)).files.every(({ label }) => label === null));
});

test("an archive is a source as its folder is", async () => {
  const folder = await temporaryFolder();
  const files = { "cat/1.png": await png(4, 4, 1), "ant/2.png": await png(4, 4, 2) };
  await writeFiles(folder, files);
  await zip(`${folder}.zip`, files);
  const [a, b] = [await openSource(folder), await openSource(`${folder}.zip`)];
  assert.equal(listed(b), listed(a));
  assert.equal(await b.read("cat/1.png"), new Uint8Array(files["cat/1.png"]));
  await b.close();
});

test("sources that do not fit are one sentence", async () => {
  const folder = await temporaryFolder();
  await rejects(openSource(join(folder, "none")), /Cannot read .*none: there is no such folder or file/);
  await rejects(openSource(folder), /is empty: it has no files with names like/);
  await writeFiles(folder, { "a/x.png": "", "y.png": "" });
  await rejects(openSource(folder), /images inside and outside of class folders: "a\/x.png" and "y.png"/);
  const labels = (value: unknown) =>
    writeFiles(folder, { "dataset.json": typeof value === "string" ? value : JSON.stringify(value) });
  for (const [value, message] of [
    ["{", /dataset\.json is not JSON/],
    [{ labels: 3 }, /must have "labels", a list of \[name, label\] or null, got 3/],
    [{ labels: [["a/x.png", -1]] }, /label of "a\/x.png" .* must be an integer of 0 or more, got -1/],
    [{ labels: [["a/x.png", 0]] }, /has no label for 1 file .*"y.png"/],
    [{ labels: [["z.png", 0]] }, /names 1 file that .* does not have: "z.png"/],
  ] as const) {
    await labels(value);
    await rejects(openSource(folder), message);
  }
  const path = `${await temporaryFolder()}/evil.zip`;
  await zip(path, { "aa/evil.png": await png(2, 2, 0) });
  const bytes = await readFile(path);
  for (let at = bytes.indexOf("aa/evil"); at >= 0; at = bytes.indexOf("aa/evil")) bytes.write("../evil", at);
  await writeFile(path, bytes);
  await rejects(openSource(path), /evil\.zip is not a ZIP archive: invalid relative path: \.\.\/evil\.png/);
  await writeFile(path, bytes.subarray(0, 40));
  await rejects(openSource(path), /evil\.zip is not a ZIP archive/);
});

test("images are cropped, numbered and labelled; broken ones are listed; a rerun does what is left", async () => {
  const [source, destination] = [await temporaryFolder(), join(await temporaryFolder(), "images")];
  const originals = [await png(20, 30, 1), await png(9, 8, 2), await png(40, 16, 3)];
  await writeFiles(source, {
    "a/0.png": originals[0],
    "a/1.png": originals[1].subarray(0, 60),
    "b/2.png": originals[1],
    "b/3.png": originals[2],
  });
  const seen: [number, number][] = [];
  const onProgress = (done: number, total: number) => seen.push([done, total]);
  const first = await prepareImages(source, destination, { size: 8, threads: 2, onProgress });
  assert.equal(
    { ...first, broken: first.broken.map(({ index, name }) => [index, name]) },
    { count: 4, written: 3, skipped: 0, broken: [[1, "a/1.png"]], others: [], finished: true },
  );
  assert.equal(seen.at(-1), [4, 4]);
  assert.equal(await json(destination, "dataset.json"), {
    labels: [
      ["00000/img00000000.png", 0],
      ["00000/img00000002.png", 1],
      ["00000/img00000003.png", 1],
    ],
  });
  assert.is(((await json(destination, "broken.json")) as { name: string }[])[0].name, "a/1.png");
  const written = await decodeImage(await readFile(join(destination, "00000/img00000003.png")));
  assert.equal(written.data, centerCrop(await decodeImage(originals[2]), 8).data);

  await rm(join(destination, "00000/img00000002.png"));
  await writeFiles(source, { "a/1.png": originals[1] });
  const second = await prepareImages(source, destination, { size: 8 });
  assert.equal(second, { count: 4, written: 2, skipped: 2, broken: [], others: [], finished: true });
  assert.not((await readdir(destination)).includes("broken.json"));
});

test("stops where it is told to, and goes on", async () => {
  const [source, destination] = [await temporaryFolder(), join(await temporaryFolder(), "images")];
  for (let i = 0; i < 30; i++) await writeFiles(source, { [`${i}.png`]: await png(6, 6, i) });
  const controller = new AbortController();
  const options = { size: 4, threads: 1 };
  const stopped = await prepareImages(source, destination, {
    ...options,
    signal: controller.signal,
    onProgress: (done) => done === 5 && controller.abort(),
  });
  assert.ok(!stopped.finished && stopped.written >= 5 && stopped.written < 30);
  assert.not((await readdir(destination)).includes("dataset.json"));
  const rest = await prepareImages(source, destination, options);
  assert.equal([rest.finished, rest.written + rest.skipped, rest.skipped], [true, 30, stopped.written]);
  assert.equal(await json(destination, "dataset.json"), { labels: null });
});

test("a folder holds one preparation", async () => {
  const [source, other, destination] = [
    await temporaryFolder(),
    await temporaryFolder(),
    await temporaryFolder(),
  ];
  await writeFiles(source, { "0.png": await png(6, 6, 0) });
  await writeFiles(other, { "1.png": await png(6, 6, 0) });
  await prepareImages(source, destination, { size: 4 });
  await rejects(prepareImages(source, destination, { size: 5 }), /was prepared with size 4, got 5/);
  await rejects(prepareImages(other, destination, { size: 4 }), /was prepared with source/);
  await rejects(prepareImages(source, join(source, "out"), { size: 4 }), /lies inside its source/);
  const theirs = await temporaryFolder();
  await writeFiles(theirs, { "notes.txt": "mine" });
  await rejects(
    prepareImages(source, theirs, { size: 4 }),
    /is not empty and was not begun by 'ditlab prepare' \(it holds notes\.txt, but no prepare\.json\)/,
  );
  await writeFiles(other, { "1.png": "no image" });
  await rejects(
    prepareImages(other, await temporaryFolder(), { size: 4 }),
    /None of the 1 images .* can be read/,
  );
});

test("latents are the VAE's mean and deviation, in the reference's layout", async () => {
  const [source, images, destination] = [
    await temporaryFolder(),
    await temporaryFolder(),
    await temporaryFolder(),
  ];
  for (let i = 0; i < 3; i++) await writeFiles(source, { [`class-${i % 2}/${i}.png`]: await png(40, 33, i) });
  await prepareImages(source, images, { size: 32 });
  const vae = await readVAE(await vaeFolder());
  const result = await prepareLatents(images, destination, { vae });
  assert.equal(result, { count: 3, written: 3, skipped: 0, broken: [], others: [], finished: true });
  assert.equal(await json(destination, "dataset.json"), {
    labels: [
      ["00000/img-mean-std-00000000.npy", 0],
      ["00000/img-mean-std-00000001.npy", 0],
      ["00000/img-mean-std-00000002.npy", 1],
    ],
  });
  const path = "00000/img-mean-std-00000001.npy";
  const latent = parseNpy(await readFile(join(destination, path)), path);
  const { data } = await decodeImage(await readFile(join(images, "00000/img00000001.png")));
  const x = tf.sub(tf.div(tf.tensor4d(Array.from(data), [1, 32, 32, 3]), 127.5), 1);
  const { mean, std } = encode(vae.params, vae.config, tf.transpose(x, [0, 3, 1, 2]));
  const [, channels, height, width] = mean.shape;
  assert.equal([latent.dtype, latent.shape], ["float32", [2 * channels!, height, width]]);
  const expected = [...mean.dataSync(), ...std.dataSync()];
  const error = Math.max(...expected.map((value, i) => Math.abs(value - Number(latent.data[i]))));
  assert.ok(error < 1e-4, `largest error ${error}`);

  await rm(join(destination, path));
  assert.is((await prepareLatents(images, destination, { vae })).written, 1);
  const changed = { ...vae, params: { ...vae.params, "quant_conv.bias": tf.zeros([2 * channels!]) } };
  await rejects(prepareLatents(images, destination, { vae: changed }), /was prepared with vae /);
  await rejects(
    prepareLatents(source, await temporaryFolder(), { vae }),
    /0\.png has 40 x 33 pixels, expected multi/,
  );
});

test.run();
