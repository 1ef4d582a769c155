/** `ditlab reproduce table3` from weights in the authors' layout: sampled, measured and written, once. */
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ndarray, readNpz, writeNpz, writeSafetensors } from "../../lib/io/index.ts";
import { inceptionShapes } from "../../lib/metrics/index.ts";
import type { Reproduction } from "../../lib/reproduce/index.ts";
import { fixture, temporaryFolder } from "../io/helpers.ts";
import { formulaWeights } from "../metrics/formula-weights.ts";
import { TINY } from "../parity.ts";
import { ditlab } from "./helpers.ts";

const folder = await temporaryFolder();
const at = (...names: string[]): string => join(folder, ...names);
const env = { DITLAB_HOME: at("home"), HF_ENDPOINT: "http://127.0.0.1:9" };
const reproduce = (...args: string[]) =>
  ditlab(["reproduce", "table3", "--scale", "paper", "--out", at("out"), ...args], env);

/** Statistics alone, as some publish them: of features that are independent. */
const statistics = (size: number) => ({
  mu: ndarray(new Float64Array(size).fill(0.4), [size]),
  sigma: ndarray(
    Float64Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 0.05 : 0)),
    [size, size],
  ),
});

const FILES = [
  ...["--checkpoint", fixture("sit-checkpoint.pt"), "--model", at("tiny.json")],
  ...["--vae", at("vae"), "--inception", at("inception.safetensors")],
];
const SMALL = ["--count", "6", "--sampler-steps", "3"];

test.before(async () => {
  await writeFile(at("tiny.json"), JSON.stringify(TINY));
  await mkdir(at("vae"));
  await copyFile(fixture("vae-config.json"), at("vae", "config.json"));
  await copyFile(fixture("vae.safetensors"), at("vae", "diffusion_pytorch_model.safetensors"));
  const [shapes, weights] = [inceptionShapes(), formulaWeights()];
  await writeSafetensors(
    at("inception.safetensors"),
    Object.fromEntries(Object.keys(shapes).map((name) => [name, ndarray(weights[name], shapes[name])])),
  );
  const [{ mu, sigma }, { mu: mu_s, sigma: sigma_s }] = [statistics(2048), statistics(2023)];
  await writeNpz(at("reference.npz"), { mu, sigma, mu_s, sigma_s });
});

test("a file that is missing is named, with where it is to be had, before anything is sampled", async () => {
  const reference = ["--reference", at("reference.npz")];
  const without = (flag: string): string[] => {
    const i = FILES.indexOf(flag);
    return [...FILES.slice(0, i), ...FILES.slice(i + 2)];
  };
  for (const [args, message] of [
    [
      [...without("--checkpoint"), ...reference, "--checkpoint", at("none.pt")],
      /there is no checkpoint at .*none\.pt; 'ditlab download sitxl-sra-res256-ep800' fetches the authors'/,
    ],
    [
      FILES,
      /--reference is missing, the reference batch VIRTUAL_imagenet256_labeled\.npz .*; ADM's is https:/,
    ],
    [
      [...FILES, "--reference", at("none.npz")],
      /there is no reference batch at .*none\.npz; ADM's is https:.*VIRTUAL_imagenet256_labeled\.npz, and 'ditlab prepare reference'/,
    ],
    [
      [...without("--vae"), ...reference, "--vae", at("none")],
      /there is no VAE at .*none; 'ditlab download sd-vae-ft-ema' fetches/,
    ],
    [
      [...without("--inception"), ...reference, "--inception", at("none.pth")],
      /no weights of the FID network at .*none\.pth; 'ditlab download inception-2015' fetches/,
    ],
    [["--reference", at("reference.npz")], /sitxl-sra-res256-ep800\.pt of sitxl-sra-res256-ep800/],
  ] as const) {
    const { code, stderr } = await reproduce(...args, ...SMALL);
    assert.is(code, 1, stderr);
    assert.match(stderr, message);
    assert.is(
      stderr
        .trim()
        .split("\n")
        .filter((line) => /^ditlab: /.test(line)).length,
      1,
      stderr,
    );
  }
  const both = await reproduce("table4", ...FILES, ...reference);
  assert.match(both.stderr, /for one table that is of released ones, table3 or table4; got table3, table4/);
  const small = await ditlab(["reproduce", "table1", "--checkpoint", "x.pt"], env);
  assert.match(small.stderr, /--checkpoint is of weights that the authors released; expected --scale paper/);
  assert.equal(
    (await readdir(at("out", "released")).catch(() => [])).filter((name) => /\.npz/.test(name)),
    [],
  );
});

test("images are drawn and measured once, and stand beside the paper's values", async () => {
  const args = [...FILES, ...SMALL, "--reference", at("reference.npz")];
  const { code, stdout, stderr } = await reproduce(...args);
  assert.is(code, 0, stderr);
  const out = at("out", "released");
  const { arr_0 } = await readNpz(join(out, "sit-xl-sra-ep800.npz"));
  assert.equal([arr_0.dtype, arr_0.shape], ["uint8", [6, 32, 32, 3]]);
  const result: Reproduction = JSON.parse(await readFile(join(out, "table3.json"), "utf8"));
  const [row] = result.rows;
  assert.equal(
    row.cells.map(({ column, paper }) => [column, paper]),
    [
      ["fid", 1.58],
      ["sfid", 4.65],
      ["is", 311.4],
    ],
    "statistics alone have no precision and recall",
  );
  for (const { values, mean } of row.cells) {
    assert.equal(values, [mean]);
    assert.ok(Number.isFinite(mean) && mean > 0, `${mean}`);
  }
  const { count, steps, guidance, warnings } = result.released!;
  assert.equal([count, steps, guidance], [6, 3, 1.8]);
  assert.match(warnings.join(), /6 samples are fewer than the 50000 that published numbers are of/);
  assert.match(stdout, new RegExp(`FID +${row.cells[0].mean.toFixed(2)} {3}paper 1\\.58\n`));
  const markdown = await readFile(join(out, "table3.md"), "utf8");
  assert.match(markdown, /\| 800 epochs \| 1\.58 \| [\d,.]+ \| 4\.65 \| [\d,.]+ \| 311\.40 \| [\d.]+ \|/);
  assert.match(markdown, /6 images, 3 steps of the stochastic sampler, guidance 1\.8, measured against/);
  assert.match(markdown, /ditlab reproduce table3 --scale paper --checkpoint /);
  for (const ending of ["csv", "html"]) await readFile(join(out, `table3.${ending}`));

  // The same again reads what there is.
  const before = await stat(join(out, "sit-xl-sra-ep800.npz"));
  const again = await reproduce(...args, "--json");
  assert.is(again.code, 0, again.stderr);
  assert.equal(JSON.parse(again.stdout).rows, result.rows);
  assert.is((await stat(join(out, "sit-xl-sra-ep800.npz"))).ino, before.ino);
  assert.not.match(again.stderr, /sampling|samples:/);
});

test.run();
