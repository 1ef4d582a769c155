/** `ditlab evaluate` of captioned samples: FID against statistics alone, as U-ViT publishes COCO's, and PickScore. */
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ndarray, readNpz, toFloat64, writeNpz, writeSafetensors } from "../../lib/io/index.ts";
import { inceptionShapes } from "../../lib/metrics/index.ts";
import { fixture, temporaryFolder } from "../io/helpers.ts";
import { formulaWeights } from "../metrics/formula-weights.ts";
import { ditlab } from "./helpers.ts";

const folder = await temporaryFolder();
const at = (...names: string[]): string => join(folder, ...names);
const env = { DITLAB_HOME: at("home"), HF_ENDPOINT: "http://127.0.0.1:9" };
const expected = await readNpz(join(fixture("pickscore"), "expected.npz"));
const texts: string[] = JSON.parse(await readFile(join(fixture("pickscore"), "texts.json"), "utf8"));
/** The first image of the fixture, once for each of its texts. */
const [{ data: pixels, shape }] = [expected.image_0];

const evaluate = (...args: string[]) =>
  ditlab(
    [
      ...["evaluate", at("samples.npz"), "--reference", at("statistics.npz"), "--suite", "pytorch-fid"],
      ...["--metrics", "fid", "--weights", at("inception.safetensors"), "--no-cache", "--json", ...args],
    ],
    env,
  );

test.before(async () => {
  const [shapes, weights] = [inceptionShapes(), formulaWeights()];
  await writeSafetensors(
    at("inception.safetensors"),
    Object.fromEntries(Object.keys(shapes).map((name) => [name, ndarray(weights[name], shapes[name])])),
  );
  const size = 2048;
  await writeNpz(at("statistics.npz"), {
    mu: ndarray(new Float64Array(size).fill(0.4), [size]),
    sigma: ndarray(
      Float64Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 0.05 : 0)),
      [size, size],
    ),
  });
  const count = 2 * texts.length;
  const images = new Uint8Array(count * pixels.length);
  for (let i = 0; i < count; i++) images.set(pixels as Uint8Array, i * pixels.length);
  await writeNpz(at("samples.npz"), { arr_0: ndarray(images, [count, ...shape]) });
  await mkdir(at("captions"));
  await writeFile(
    at("captions", "captions.json"),
    JSON.stringify({
      format: "ditlab-captions-1",
      texts: ["", ...texts],
      images: texts.map((_, i) => [i + 1]),
    }),
  );
  await mkdir(at("pickscore"));
  for (const file of ["config.json", "model.safetensors"])
    await cp(join(fixture("pickscore"), file), at("pickscore", file));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    await cp(join(fixture("clip"), file), at("pickscore", file));
});

test("one command gives the FID and the mean PickScore of each image for its first caption, in turn", async () => {
  const { code, stdout, stderr } = await evaluate(
    ...["--captions", at("captions"), "--pickscore", at("pickscore")],
  );
  assert.is(code, 0, stderr);
  const result = JSON.parse(stdout);
  assert.ok(result.fid > 0 && result.published);
  // Image 0 for every text: the scale times the cosines of embeddings that make.py wrote down.
  const [image, all] = [toFloat64(expected.image), toFloat64(expected.text)];
  const width = all.length / texts.length;
  const scores = texts.map((_, i) => {
    const cosine = all
      .subarray(i * width, (i + 1) * width)
      .reduce((sum, value, k) => sum + value * image[k], 0);
    return Math.exp(4.6) * cosine;
  });
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  assert.ok(Math.abs(result.pickscore - mean) < 1e-3, `${result.pickscore} for ${mean}`);
  const [low, high] = result.intervals.pickscore;
  assert.ok(low < mean && mean < high);
});

test("captions and PickScore go together, and what is missing is named", async () => {
  for (const [args, message] of [
    [
      ["--pickscore", at("pickscore")],
      /--pickscore says how well images fit their --captions; expected both/,
    ],
    [["--captions", at("captions")], /expected both/],
    [
      ["--captions", at("captions"), "--pickscore", at("none")],
      /none\/config\.json is missing; expected PickScore's folder/,
    ],
    [["--captions", at("none"), "--pickscore", at("pickscore")], /captions\.json/],
  ] as const) {
    const { code, stderr } = await evaluate(...args);
    assert.is(code, 1, args.join(" "));
    assert.match(stderr, message);
  }
});

test.run();
