/** Images to evaluate: archives, folders, latents, and what is wrong with them. */
import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodePng, type Pixels } from "../../lib/data/index.ts";
import { formatNpy, ndarray, toUint8Images, writeNpz } from "../../lib/io/index.ts";
import { npyHeader } from "../../lib/io/npy.ts";
import { type ImageFiles, openImageFiles } from "../../lib/metrics/index.ts";
import { randomGenerator, tf } from "../../lib/tensor/index.ts";
import { decode, parseVAEConfig } from "../../lib/vae/index.ts";
import { fixture, rejects, temporaryFolder } from "../io/helpers.ts";
import { weights } from "../parity.ts";
import { noise, pixelsOf } from "./images.ts";

/** All images of a set, and how many came at a time. */
async function readAll(files: ImageFiles, size: number): Promise<{ images: Pixels[]; sizes: number[] }> {
  const [images, sizes]: [Pixels[], number[]] = [[], []];
  try {
    for await (const batch of files.batches(size)) {
      sizes.push(batch.count);
      images.push(...(await batch.pixels()));
    }
  } finally {
    await files.close();
  }
  return { images, sizes };
}

const statistics = {
  mu: ndarray(Float64Array.of(1, 2), [2]),
  sigma: ndarray(Float64Array.of(1, 0, 0, 1), [2, 2]),
};

test("images come from archives, compressed or not, and folders, with published statistics", async () => {
  const folder = await temporaryFolder();
  const images = noise(5, 8, 1);
  await writeNpz(join(folder, "plain.npz"), { arr_0: images, ...statistics });
  await writeNpz(join(folder, "deflated.npz"), { arr_0: images }, { compress: true });
  await mkdir(join(folder, "files"));
  for (const [i, image] of pixelsOf(images).entries())
    await writeFile(join(folder, "files", `${i}.png`), await encodePng(image));
  for (const name of ["plain.npz", "deflated.npz", "files"]) {
    const files = await openImageFiles(join(folder, name));
    assert.is(files.count, 5);
    assert.equal(files.statistics.pool?.mean, name === "plain.npz" ? Float64Array.of(1, 2) : undefined);
    const { images: read, sizes } = await readAll(files, 2);
    assert.equal(sizes, [2, 2, 1]);
    assert.equal(read, pixelsOf(images), name);
  }
});

test("grey images are repeated, transparency is dropped, sizes must be one", async () => {
  const folder = await temporaryFolder();
  const [grey, rgba] = [Uint8Array.of(10, 20), Uint8Array.of(1, 2, 3, 0, 4, 5, 6, 255)];
  const raw = (channels: 1 | 4) => ({ raw: { width: 2, height: 1, channels } });
  await sharp(grey, raw(1)).toColourspace("b-w").png().toFile(join(folder, "a.png"));
  await sharp(rgba, raw(4)).png().toFile(join(folder, "b.png"));
  const { images } = await readAll(await openImageFiles(folder), 2);
  assert.equal(images[0].data, Uint8Array.of(10, 10, 10, 20, 20, 20));
  assert.equal(images[1].data, Uint8Array.of(1, 2, 3, 4, 5, 6));
  await writeFile(join(folder, "c.png"), await encodePng(pixelsOf(noise(1, 9, 1))[0]));
  for (const size of [1, 2, 3])
    await rejects(
      readAll(await openImageFiles(folder), size),
      /images must have one size: a\.png of .* is 2 x 1, c\.png 9 x 9/,
    );
});

test("an archive of 10 GB takes no memory to speak of", async () => {
  const path = join(await temporaryFolder(), "large.npz");
  const shape = [52_000, 256, 256, 3];
  const header = npyHeader("uint8", shape);
  const bytes = header.length + shape.reduce((product, length) => product * length, 1);
  // ZIP64 by hand, its values a hole in the file.
  const name = Buffer.from("arr_0.npy");
  const sizes = Buffer.alloc(20);
  sizes.writeUInt16LE(1, 0);
  sizes.writeUInt16LE(16, 2);
  sizes.writeBigUInt64LE(BigInt(bytes), 4);
  sizes.writeBigUInt64LE(BigInt(bytes), 12);
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(45, 4);
  local.fill(0xff, 18, 26);
  local.writeUInt16LE(name.length, 26);
  local.writeUInt16LE(sizes.length, 28);
  const start = Buffer.concat([local, name, sizes, header]);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt16LE(45, 4);
  central.writeUInt16LE(45, 6);
  central.fill(0xff, 20, 28);
  central.writeUInt16LE(name.length, 28);
  central.writeUInt16LE(sizes.length, 30);
  const directory = Buffer.concat([central, name, sizes]);
  const at = BigInt(start.length - header.length + bytes);
  const end = Buffer.alloc(56 + 20 + 22);
  end.writeUInt32LE(0x06064b50, 0);
  end.writeBigUInt64LE(44n, 4);
  end.writeUInt16LE(45, 12);
  end.writeUInt16LE(45, 14);
  end.writeBigUInt64LE(1n, 24);
  end.writeBigUInt64LE(1n, 32);
  end.writeBigUInt64LE(BigInt(directory.length), 40);
  end.writeBigUInt64LE(at, 48);
  end.writeUInt32LE(0x07064b50, 56);
  end.writeBigUInt64LE(at + BigInt(directory.length), 64);
  end.writeUInt32LE(1, 72);
  end.writeUInt32LE(0x06054b50, 76);
  end.fill(0xff, 84, 96);
  const file = await open(path, "w");
  await file.write(start);
  await file.write(Buffer.concat([directory, end]), 0, undefined, Number(at));
  await file.close();

  const files = await openImageFiles(path);
  assert.is(files.count, 52_000);
  for await (const batch of files.batches(3)) {
    const images = await batch.pixels();
    assert.equal([images.length, images[2].data.length, images[2].data[7]], [3, 256 * 256 * 3, 0]);
    break;
  }
  await files.close();
});

test("latents become images through a VAE, as scaled values or as means in files", async () => {
  const folder = await temporaryFolder();
  const vae = {
    config: parseVAEConfig(JSON.parse(await readFile(fixture("vae-config.json"), "utf8"))),
    params: await weights("vae.safetensors"),
  };
  const shape = [3, 4, 4, 6];
  const values = Float32Array.from(randomGenerator(1).normals(3 * 96));
  const path = join(folder, "latents.npz");
  await writeNpz(path, { arr_0: ndarray(values, shape) });
  const decoded = decode(vae.params, vae.config, tf.tensor4d(values, shape as never));
  const want = pixelsOf(toUint8Images(decoded.dataSync() as Float32Array, decoded.shape, "down"));
  await mkdir(join(folder, "files"));
  for (let i = 0; i < 3; i++) {
    const means = values.slice(i * 96, (i + 1) * 96).map((value) => value / vae.config.scale);
    const moments = Float32Array.of(...means, ...new Float32Array(96).fill(1));
    await writeFile(join(folder, "files", `${i}.npy`), formatNpy(ndarray(moments, [8, 4, 6])));
  }
  for (const from of [path, join(folder, "files")]) {
    const files = await openImageFiles(from, { vae });
    assert.is(files.count, 3);
    const { images, sizes } = await readAll(files, 2);
    assert.equal(sizes, [2, 1]);
    for (const [i, image] of images.entries()) {
      assert.equal([image.width, image.height], [24, 16]);
      // Dividing by the scale and multiplying again may turn a rounding.
      const most = image.data.reduce(
        (most, value, j) => Math.max(most, Math.abs(value - want[i].data[j])),
        0,
      );
      assert.ok(most <= 1, `${from}: ${most}`);
    }
  }
  await rejects(openImageFiles(path), /latents\.npz holds latents; a VAE must be given/);
  await writeNpz(path, { arr_0: ndarray(new Float32Array(24), [1, 6, 2, 2]) });
  await rejects(
    openImageFiles(path, { vae }),
    /arr_0.* has 6 channels in each latent, \[6, 2, 2\], the VAE decodes 4/,
  );
  values[100] = Number.NaN;
  await writeNpz(path, { arr_0: ndarray(values, shape) });
  await rejects(readAll(await openImageFiles(path, { vae }), 2), /latent 1 holds NaN or infinite values/);
});

test("what is wrong with an archive is said", async () => {
  const wrong = join(await temporaryFolder(), "wrong.npz");
  await writeNpz(wrong, { arr_0: ndarray(new Float64Array(12), [1, 2, 2, 3]) });
  await rejects(openImageFiles(wrong), /must be uint8 \[count, height, width, 3\].*got <f8 \[1, 2, 2, 3\]/);
  await writeNpz(wrong, { arr_0: ndarray(new Uint8Array(16), [1, 2, 2, 4]) });
  await rejects(openImageFiles(wrong), /must be uint8 .*got \|u1 \[1, 2, 2, 4\]/);
  await writeNpz(wrong, { other: noise(1, 2, 1) });
  await rejects(openImageFiles(wrong), /neither images \(arr_0\) nor statistics/);
  await writeNpz(wrong, { mu: statistics.mu, sigma: statistics.mu });
  await rejects(openImageFiles(wrong), /must be \[n\] and \[n, n\], got \[2\] and \[2\]/);
  await writeNpz(wrong, { arr_0: noise(3, 8, 1) });
  const whole = await readFile(wrong);
  await writeFile(wrong, whole.subarray(0, 300));
  await rejects(openImageFiles(wrong), /is not an \.npz archive/);
  await rejects(openImageFiles(`${wrong}.npz`), /no such file/);
});

test.run();
