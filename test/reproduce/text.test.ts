/** Table 2 end to end at the least scale: captioned pictures are trained on, drawn by their captions, and read. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type CaptionedDataset, captionedDataset } from "../../lib/experiments/captioned.ts";
import type { Evaluation } from "../../lib/experiments/index.ts";
import { MANIFEST } from "../../lib/io/folders.ts";
import { readJsonLines } from "../../lib/io/index.ts";
import {
  experimentsNamed,
  planReproduction,
  type ReproduceOptions,
  type Reproduction,
  reproduce,
  smallConfig,
  withRows,
} from "../../lib/reproduce/index.ts";
import { trainedShape } from "../../lib/reproduce/plan.ts";
import { tf } from "../../lib/tensor/index.ts";
import { ownHome, dataset as source } from "../experiments/least.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { scale } from "./tiniest.ts";

ownHome(test);

const experiments = experimentsNamed("table2", scale);
const seeds = [0, 1];
const quiet = { begin() {}, update() {}, end() {}, note() {} };
let dataset: CaptionedDataset;
let folder: string;
let result: Reproduction;

const run = (others: Partial<ReproduceOptions> = {}): Promise<Reproduction[] | undefined> =>
  reproduce({
    ...{ experiments, folder, dataset, scale, scaleName: "least", seeds, reporter: quiet },
    ...others,
  });

test("pictures are labelled by all that their captions say", async () => {
  dataset = await captionedDataset(source);
  assert.is(dataset.name, "captioned-mnist");
  assert.is(dataset.classes.length, 2 * 4 * 4);
  const { facts, captions } = dataset.heldOut;
  assert.is(facts.length, source.test.count);
  for (const [i, { what, corner, colour }] of facts.entries()) {
    assert.is(dataset.test.labels[i], 16 * what + 4 * corner + colour);
    // "a red 7 at the top left" is the first caption, and "red 7, top left" the class.
    const words = dataset.classes[dataset.test.labels[i]].replace(",", "").split(" ");
    for (const word of words) assert.ok(captions.texts[captions.images[i][0]].includes(word), word);
  }
});

test("the model without a method and with SRA are trained alike, drawn by captions, and read", async () => {
  folder = await temporaryFolder();
  const before = tf.memory().numTensors;
  [result] = (await run({ command: "ditlab reproduce table2" }))!;
  assert.is(tf.memory().numTensors, before);
  const folders = (await readdir(folder)).filter((name) => name.includes("-seed")).sort();
  assert.is(folders.length, 4);
  assert.match(folders[0], /^mmdit-[0-9a-f]{6}-seed0$/);
  assert.match(folders[2], /^mmdit-sra-1-2-[0-9a-f]{6}-seed0$/);
  assert.equal(
    result.rows.map(({ id, cells }) => [id, ...cells.map(({ column, paper }) => [column, paper])]),
    [
      ["baseline", 5.86],
      ["sra", 4.85],
    ].map(([id, fid]) => [
      id,
      ["fid", fid],
      ...["all", "what", "corner", "colour"].map((fact) => [fact, undefined]),
    ]),
  );
  const lines = await readJsonLines<Evaluation>(join(folder, folders[3], "evaluations.jsonl"));
  assert.equal(
    lines.map(({ step, probe }) => [step, probe.length]),
    [[scale.steps, 0]],
  );
  const [fid, all, what, , colour] = result.rows[1].cells;
  assert.is(fid.values[1], lines[0].metrics.frechet);
  assert.is(what.values[1], 100 * lines[0].facts!.what);
  assert.is(colour.values[1], 100 * lines[0].facts!.colour);
  assert.ok(all.difference?.interval && all.mean <= what.mean);
});

test("what reading sees in real pictures, and by chance, stands beside it", async () => {
  const [real, mean] = result.controls!;
  assert.is(real.facts!.corner, 1);
  assert.is(real.facts!.colour, 1);
  // One picture cannot be in all corners.
  assert.ok(mean.facts!.corner < 0.6);
  const markdown = await readFile(join(folder, "table2.md"), "utf8");
  assert.match(markdown, "FID, paper");
  assert.match(markdown, "5.86 to 4.85 in the table and 5.66 to 4.75 in the text");
  assert.match(markdown, "20.05 to 21.14 in the table and 20.65 to 21.14 in the text");
  assert.match(
    markdown,
    "captioned-mnist drawn by held-out captions with guidance 2, 4 steps, 2 seeds (0, 1)",
  );
  assert.match(markdown, /\(FID and all facts\): held-out real images, [\d.]+ and \d+\.\d %/);
  for (const ending of ["csv", "json", "html"]) await readFile(join(folder, `table2.${ending}`));
});

test("called again it trains nothing; stopped it goes on to the same numbers", async () => {
  const begun: number[] = [];
  const reporter = { ...quiet, begin: (_: string, total: number) => void begun.push(total) };
  const [again] = (await run({ reporter }))!;
  assert.equal(begun, [0]);
  assert.equal(again.rows, result.rows);
  const wanted = { experiments, scale, seeds, images: trainedShape(dataset), folder };
  const plan = await planReproduction(wanted, 0.1);
  assert.equal([plan.runs.length, plan.stepsLeft], [4, 0]);
  const elsewhere = await temporaryFolder();
  let stops = 0;
  for (let done = false; !done && stops < 20; stops++) {
    const stop = new AbortController();
    let updates = 0;
    const update = (): void => {
      if (++updates === 5) stop.abort();
    };
    const found = await run({ folder: elsewhere, signal: stop.signal, reporter: { ...quiet, update } });
    if (found) assert.equal(found[0].rows, result.rows);
    done = found !== undefined;
  }
  assert.ok(stops > 1 && stops < 20, `${stops} times`);
});

test("a folder knows the text-to-image model that it is of, and one of other data does not", async () => {
  const other = { ...scale, textModel: { ...scale.textModel, depth: 2 } };
  await rejects(run({ scale: other }), /cannot go on in .*: its settings was .*textModel/);
  const { identity } = JSON.parse(await readFile(join(folder, MANIFEST), "utf8"));
  assert.equal(Object.keys(JSON.parse(identity.settings)).includes("captioned"), false);
});

test("a text-to-image model needs captions, and the PickScore the paper's scale", async () => {
  const { setting } = experiments[0].rows[0].cells[0];
  assert.throws(
    () => smallConfig(scale, setting, { height: 8, channels: 3 }, 0),
    /a text-to-image model is trained on captions; expected pictures with some/,
  );
  const [judged] = experimentsNamed("table2", { ...scale, judged: "pickscore" });
  await rejects(
    run({ experiments: [withRows(judged, ["sra"])] }),
    /the PickScore is of pictures of COCO's captions; expected --scale paper/,
  );
});

test.run();
