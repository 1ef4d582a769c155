/** Evaluation from files to metrics, and the commands for it. */
import { execFile } from "node:child_process";
import { readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ndarray, readNpz, readSafetensors, writeNpz, writeSafetensors } from "../../lib/io/index.ts";
import {
  type CollectOptions,
  collectFeatures,
  foldInception,
  frechetDistance,
  gaussianStatistics,
  type ImageBatch,
  inceptionExtractor,
  inceptionMetrics,
  inceptionShapes,
  openImageFiles,
} from "../../lib/metrics/index.ts";
import { randomGenerator } from "../../lib/tensor/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { formulaWeights } from "./formula-weights.ts";
import { noise, pixelsOf } from "./images.ts";

const BIN = fileURLToPath(new URL("../../lib/cli/bin.js", import.meta.url));
const arrays = formulaWeights();
const params = foldInception(arrays);

test("from files to metrics: features are kept by content, and a set is at no distance from itself", async () => {
  const folder = await temporaryFolder();
  process.env.DITLAB_HOME = folder;
  const path = join(folder, "set.npz");
  await writeNpz(path, { arr_0: noise(6, 32, 2) });
  const other = join(folder, "other.npz");
  await writeNpz(other, { arr_0: noise(5, 32, 5) });
  const extractor = inceptionExtractor(params, { suite: "adm", batchSize: 4, cache: true });
  const collect = async (path: string, options?: CollectOptions) => {
    const files = await openImageFiles(path);
    const features = await collectFeatures(files, extractor, options);
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
  const direct = await frechetDistance(gaussianStatistics(reference.pool!), gaussianStatistics(set.pool!));
  assert.ok(Math.abs(metrics.fid! - direct) < 1e-9 * direct && direct > 0);
  assert.ok(metrics.is! >= 1 && metrics.kid!.mean > 0 && metrics.fidBias !== undefined);
  assert.is(metrics.sfid, undefined);
  const published = { count: 0, statistics: set.statistics };
  await rejects(
    inceptionMetrics(published, set, ["pr"]),
    /the reference has no pooled features of images, which precision, recall and KID compare/,
  );
  // Only what the metrics need is kept.
  const few = await collect(path, { metrics: ["is", "sfid"] });
  assert.equal([few.pool, few.statistics.pool, few.half], [undefined, undefined, undefined]);
  assert.equal(few.scores, set.scores);
  assert.equal(few.statistics.spatial, set.statistics.spatial);
  await rejects(inceptionMetrics(reference, few, ["fid"]), /the sample set has no statistics of pooled/);

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
  // What was not used for two weeks goes, what was used stays.
  const before = new Date(Date.now() - 15 * 24 * 3_600_000);
  for (const name of await readdir(kept)) await utimes(join(kept, name), before, before);
  await collect(other);
  const later = inceptionExtractor(params, { suite: "adm", batchSize: 4, cache: true });
  assert.equal((await later.extract(pixelsOf(noise(5, 32, 5)))).pool, reference.pool!.data);
  assert.is((await readdir(kept)).length, 1);
  await later.dispose();
  await extractor.dispose();
});

/** A network whose pooled features say which image of the set they are of: 1 in the column of its number. */
function numbering() {
  let next = 0;
  return {
    async extract(images: ImageBatch | readonly unknown[]) {
      const count = "count" in images ? images.count : images.length;
      const pool = new Float32Array(count * 2048);
      for (let i = 0; i < count; i++, next++) pool[i * 2048 + next] = 1;
      const probabilities = new Float32Array(count * 1008).fill(1 / 1008);
      return { pool, probabilities, spatial: new Float32Array(count * 7 * 17 * 17) };
    },
    async dispose() {},
  };
}

test("ten groups of images, each left out once, and a half of them", async () => {
  const path = join(await temporaryFolder(), "set.npz");
  await writeNpz(path, { arr_0: noise(24, 8, 2) });
  const files = await openImageFiles(path);
  const set = await collectFeatures(files, numbering(), { metrics: ["fid"], intervals: true });
  const { without, half } = set;
  assert.is(without!.groups, 10);
  const left = await Promise.all(
    Array.from({ length: 10 }, async (_, group) => {
      const { mean } = await without!.pool(group);
      return Array.from({ length: 24 }, (_, image) => image).filter((image) => mean[image] < 1e-12);
    }),
  );
  for (const images of left) assert.ok(images.length === 2 || images.length === 3, String(images));
  assert.equal(
    left.flat().sort((a, b) => a - b),
    Array.from({ length: 24 }, (_, i) => i),
  );
  const kept = half!.statistics.mean.filter((value) => value > 1e-12);
  assert.is(kept.length, half!.count);
  assert.ok(half!.count >= 10 && half!.count <= 14, String(half!.count));
  await rejects(
    collectFeatures({ ...files, count: 1 }, numbering()),
    /metrics need at least 2 images, got 1/,
  );
  const broken = numbering();
  const extract = async (images: ImageBatch | readonly unknown[]) => {
    const features = await broken.extract(images);
    features.pool[3 * 2048 + 5] = Number.NaN;
    return features;
  };
  await rejects(
    collectFeatures(files, { ...broken, extract }),
    /image 3 has pool features that are NaN or infinite/,
  );
  await rejects(collectFeatures({ ...files, count: 25 }, numbering()), /expected 25 images, got 24/);
  await files.close();
});

test("of samples of the reference's own distribution all of the FID is bias", async () => {
  const random = randomGenerator(4);
  const [count, size] = [3000, 24];
  const identity = Float64Array.from({ length: size ** 2 }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
  const reference = {
    count: 0,
    statistics: { pool: { mean: new Float64Array(size), covariance: identity } },
  };
  let [fid, bias] = [0, 0];
  for (let run = 0; run < 20; run++) {
    const data = random.normals(count * size);
    const statistics = (rows: number) =>
      gaussianStatistics({ data: data.subarray(0, rows * size), count: rows, size });
    // Not quite a half, which is what the factor is for.
    const half = { count: 1400, statistics: statistics(1400) };
    const set = { count, statistics: { pool: statistics(count) }, half };
    const metrics = await inceptionMetrics(reference, set, ["fid"]);
    fid += metrics.fid!;
    bias += metrics.fidBias!;
  }
  assert.ok(Math.abs(bias / fid - 1) < 0.05, `${bias} of ${fid}`);
});

test("evaluate and prepare reference, as commands", async () => {
  const folder = await temporaryFolder();
  const at = (name: string): string => join(folder, name);
  const run = async (...args: string[]) => {
    const env = { ...process.env, DITLAB_HOME: folder };
    const child = promisify(execFile)(process.execPath, [BIN, ...args], { env });
    return child.catch((error: { stdout: string; stderr: string }) => error);
  };
  const shapes = inceptionShapes();
  await writeSafetensors(
    at("weights.safetensors"),
    Object.fromEntries(Object.keys(shapes).map((name) => [name, ndarray(arrays[name], shapes[name])])),
  );
  const weights = ["--weights", at("weights.safetensors")];
  const images = noise(24, 16, 5);
  await writeNpz(at("images.npz"), { arr_0: images });
  await writeNpz(at("samples.npz"), { arr_0: noise(20, 16, 2) });
  const made = await run(
    "prepare",
    "reference",
    at("images.npz"),
    at("ref.npz"),
    "--images",
    "6",
    ...weights,
  );
  assert.match(made.stdout, /ref\.npz: statistics of 24 images, and 6 of them$/m, made.stderr);
  const { arr_0, mu, sigma, mu_s, sigma_s } = await readNpz(at("ref.npz"));
  assert.equal(
    [mu.shape, sigma.shape, mu_s.shape, sigma_s.shape],
    [[2048], [2048, 2048], [2023], [2023, 2023]],
  );
  // Every fourth image.
  const area = 16 * 16 * 3;
  assert.equal(arr_0.shape, [6, 16, 16, 3]);
  for (let i = 0; i < 6; i++)
    assert.equal(
      arr_0.data.slice(i * area, (i + 1) * area),
      images.data.slice((4 * i + 3) * area, (4 * i + 4) * area),
    );
  const notNpz = await run("prepare", "reference", at("images.npz"), at("ref"), ...weights);
  assert.match(notNpz.stderr, /a reference is a \.npz file, got ".*ref"/);

  const evaluate = (reference: string, ...args: string[]) =>
    run("evaluate", at("samples.npz"), "--reference", at(reference), ...weights, ...args);
  const printed = JSON.parse((await evaluate("ref.npz", "--json", "--intervals")).stdout);
  assert.equal([printed.samples, printed.reference, printed.suite], [20, 6, "adm"]);
  // Published statistics are those of the images that they were taken of.
  const direct = JSON.parse((await evaluate("images.npz", "--json", "--metrics", "fid,sfid,is")).stdout);
  for (const name of ["fid", "sfid", "is"])
    assert.ok(Math.abs(printed[name] - direct[name]) < 1e-6 * Math.abs(direct[name]), name);
  for (const name of ["fid", "sfid", "precision"]) {
    const [low, high] = printed.intervals[name];
    const value = printed[name];
    assert.ok(low <= value && value <= high && low < high, `${name}: ${low} .. ${high} around ${value}`);
  }
  assert.equal([direct.precision, direct.kid, direct.intervals.fid], [undefined, undefined, undefined]);
  assert.match(
    printed.warnings[0],
    /^20 samples are fewer than the 50000 .*no more than its 2048 features; about .* of the FID is due/,
  );

  const table = await evaluate("ref.npz");
  assert.match(table.stdout, /^20 samples against 6 reference images and published statistics, suite adm\n/);
  assert.match(table.stdout, new RegExp(`^FID +${printed.fid.toFixed(3)}$`, "m"));
  assert.match(table.stdout, /^precision +\d\.\d{4} {3}\d\.\d{4} \.\. \d\.\d{4}$/m);
  assert.match(table.stderr, /warning: 20 samples are fewer/);

  await writeNpz(at("larger.npz"), { arr_0: noise(5, 20, 1) });
  const sizes = await evaluate("larger.npz", "--metrics", "fid");
  assert.match(sizes.stderr, /warning: samples are 16 x 16, the reference images 20 x 20/);

  const { arr_0: _, ...statistics } = await readNpz(at("ref.npz"));
  await writeNpz(at("statistics.npz"), statistics);
  const other = await evaluate("statistics.npz", "--suite", "clean-fid", "--metrics", "fid");
  assert.match(
    other.stderr,
    /statistics\.npz holds ADM's statistics .* do not compare in the suite clean-fid/,
  );
  const without = await evaluate("statistics.npz", "--metrics", "pr,fid");
  assert.match(without.stderr, /statistics\.npz holds statistics and no images, which pr would need/);
  // Without asking for more, what is there.
  await writeNpz(at("plain.npz"), { mu, sigma });
  const assumed = await evaluate("plain.npz", "--json");
  assert.match(assumed.stderr, /plain\.npz does not say of which suite its statistics are; adm was assumed/);
  const { fid, sfid, is } = JSON.parse(assumed.stdout);
  assert.ok(Math.abs(fid - printed.fid) < 1e-6 * printed.fid);
  assert.equal([sfid, is], [undefined, printed.is]);
  const none = await run("evaluate", at("statistics.npz"), "--reference", at("ref.npz"), ...weights);
  assert.match(none.stderr, /statistics\.npz has 0 images, expected at least 2/);
  const refused = await evaluate("ref.npz", "--suite", "small-cnn");
  assert.match(refused.stderr, /the suite small-cnn takes a number of training images as --reference/);
});

test.run();
