/** Experiments end to end at the least scale: trained, cut, gone on with, measured and written. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readJsonLines } from "../../lib/io/index.ts";
import {
  experimentsNamed,
  planReproduction,
  type ReproduceOptions,
  type Reproduction,
  reproduce,
  withRows,
} from "../../lib/reproduce/index.ts";
import { tf } from "../../lib/tensor/index.ts";
import { dataset, ownHome } from "../experiments/least.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { scale } from "./tiniest.ts";

ownHome(test);

const ROWS = ["layers-3-8", "interval-dyn-0.2", "head-off"];
/** The presets that need no encoder, and no other run. */
const PRESETS = [
  "sra",
  "sra-2026-07",
  "sra-cosine",
  "dts-as",
  "self-flow",
  "sra2",
  "layersync",
  "dispersive",
  "contrastive",
  "self-transcendence-1",
];
/** What is trained: the baseline, the paper's choice, one without a head, and the presets. */
const ARMS = 3 + PRESETS.length;
const quiet = { begin() {}, update() {}, end() {}, note() {} };
const experiments = [
  withRows(experimentsNamed("table1", scale)[0], ROWS),
  ...["table7", "figure7a", "figure7d", "methods"].flatMap((id) => experimentsNamed(id, scale)),
];
const run = (folder: string, others: Partial<ReproduceOptions> = {}): Promise<Reproduction[] | undefined> =>
  reproduce({
    ...{ experiments, folder, dataset, scale, scaleName: "least", seeds: [0, 1, 2], reporter: quiet },
    ...others,
  });

/** What decides a result, without when and how fast it was made. */
const numbersOf = (results: readonly Reproduction[]): unknown =>
  results
    .filter(({ experiment }) => experiment !== "table7" && experiment !== "methods")
    .map(({ rows, claims, controls }) => [rows, claims, controls]);

let whole: string;
let results: Reproduction[];

test("every row has its values and differences, and runs are shared", async () => {
  whole = await temporaryFolder();
  const before = tf.memory().numTensors;
  results = (await run(whole, { command: "ditlab reproduce table1" }))!;
  assert.is(tf.memory().numTensors, before);
  const folders = (await readdir(whole)).filter((name) => name.includes("-seed"));
  assert.is(folders.length, 3 * ARMS, folders.join());
  const [table, costs, probes, teacher, methods] = results;
  assert.equal(
    table.rows.map(({ id }) => id),
    ["baseline", ...ROWS],
  );
  const cell = (row: string, column: string) =>
    table.rows.find(({ id }) => id === row)!.cells.find((one) => one.column === column)!;
  for (const column of ["fid", "is"]) {
    assert.equal(cell("layers-3-8", column).values, cell("interval-dyn-0.2", column).values);
    assert.not.ok("difference" in cell("baseline", column));
    const { difference, values } = cell("head-off", column);
    const base = cell("baseline", column).values;
    const expected = values.reduce((sum, value, i) => sum + (value - base[i]) / 3, 0);
    assert.ok(Math.abs(difference!.mean - expected) < 1e-9);
    const [low, high] = difference!.interval!;
    assert.ok(low < difference!.mean && difference!.mean < high);
  }
  // What a run's own file says.
  const name = folders.find((folder) => /^sit-b-[0-9a-f]{6}-seed1$/.test(folder))!;
  const lines = await readJsonLines<{ step: number; metrics: { frechet: number } }>(
    join(whole, name, "evaluations.jsonl"),
  );
  assert.equal(
    lines.map(({ step }) => step),
    [1, 2, 3, 4],
  );
  assert.is(lines[3].metrics.frechet, cell("baseline", "fid").values[1]);

  assert.equal(
    costs.rows.map(({ id, cells }) => [id, cells.map(({ values }) => values.length)]),
    [
      ["sit-b-sra", [1, 1, 1]],
      ["dit-b-sra", [1, 1, 1]],
    ],
  );
  for (const { cells } of costs.rows)
    assert.ok(cells[2].mean > 1.05 && cells[2].mean < 1.6, `${cells[2].mean}`);
  assert.equal(
    probes.rows.map(({ cells }) => cells.length),
    [8, 8],
  );
  assert.equal(
    methods.rows.map(({ id, cells }) => [
      id,
      ...cells.map(({ values, difference }) => [values.length, !!difference]),
    ]),
    ["baseline", ...PRESETS].map((id) => [
      id,
      ...[3, 3, 3, 1, 1, 1].map((count) => [count, count === 3 && id !== "baseline"]),
    ]),
  );
  const [plain, sra] = methods.rows;
  assert.equal(plain.cells[0].values, plain.cells[1].values);
  assert.equal(
    sra.cells[0].values,
    cell("layers-3-8", "fid").values,
    "the same training, measured once more",
  );
  for (const { cells } of [...probes.rows, ...teacher.rows])
    for (const { values } of cells) for (const value of values) assert.ok(value >= 0 && value <= 100);
  assert.equal(
    table.claims.find(({ id }) => id === "lambda"),
    undefined,
    "one row has no order",
  );
  const claim = table.claims.find(({ id }) => id === "all")!;
  assert.is(claim.count, 4);
  assert.ok(Math.abs(claim.tau) <= 1);
  assert.is(claim.interval, undefined, "three seeds are too few for an interval of tau");
});

test("four files say so, and the page makes no request", async () => {
  for (const name of ["table1", "table7", "figure7a", "figure7d", "methods"])
    for (const ending of ["md", "csv", "json", "html"]) await readFile(join(whole, `${name}.${ending}`));
  const read = (name: string): Promise<string> => readFile(join(whole, name), "utf8");
  assert.equal(JSON.parse(await read("table1.json")), JSON.parse(JSON.stringify(results[0])));
  const markdown = await read("table1.md");
  assert.match(
    markdown,
    /\| blocks 3 to 8, k in \[0, 0\.2\), lambda 0\.2 \| 29\.10 \| [\d.]+ ± [\d.]+ \| [−+]?[\d.]+ \(/,
  );
  assert.match(markdown, /`ditlab reproduce table1`/);
  const csv = (await read("table1.csv")).trim().split("\n");
  assert.is(csv[0], "experiment,row,column,seed,value,paper");
  assert.is(csv.length, 1 + 4 * 2 * 3);
  const [, , , seed, value, paper] = csv[1].split(",");
  assert.equal([seed, Number(value), paper], ["0", results[0].rows[0].cells[0].values[0], "33.02"]);
  const page = await read("figure7a.html");
  assert.match(page, /default-src &#39;none&#39;/);
  assert.match(page, /id="lines-here"/);
  assert.not.match(page.replace(/<!--[\s\S]*?-->/g, "").replace(/<script[\s\S]*?<\/script>/g, ""), /https?:/);
});

test("pictures are of runs that there are, in files, a page and a table of contents", async () => {
  const wanted = [withRows(experimentsNamed("pictures", scale)[0], ["sit-sra-features", "sit-samples"])];
  const begun: number[] = [];
  const reporter = { ...quiet, begin: (_: string, total: number) => void begun.push(total) };
  const [result] = (await run(whole, { experiments: wanted, reporter }))!;
  assert.equal(begun, [0], "nothing was trained for them");
  assert.equal(
    result.pictures!.map(({ row, file }) => [row, file]),
    [
      ...[0.1, 0.3, 0.5, 0.7].map((t) => ["sit-sra-features", `pictures-sit-sra-features-t${t}.png`]),
      ["sit-samples", "pictures-sit-samples.png"],
    ],
  );
  const [markdown, page] = await Promise.all(
    ["md", "html"].map((ending) => readFile(join(whole, `pictures.${ending}`), "utf8")),
  );
  for (const { file } of result.pictures!) {
    const png = await readFile(join(whole, file));
    assert.ok(markdown.includes(`](${file})`) && page.includes(png.toString("base64")), file);
  }
  const [baseline] = (await readdir(whole)).filter((name) => /^sit-b-[0-9a-f]{6}-seed0$/.test(name));
  const [drawn, copied] = await Promise.all([
    readFile(join(whole, baseline, "samples.png")),
    readFile(join(whole, "pictures-sit-samples.png")),
  ]);
  assert.ok(drawn.equals(copied));
  assert.not.match(markdown, "mean over seeds");
});

test("called again it trains nothing, and plans nothing to do", async () => {
  const begun: number[] = [];
  const reporter = { ...quiet, begin: (_: string, total: number) => void begun.push(total) };
  const again = (await run(whole, { reporter }))!;
  assert.equal(begun, [0]);
  assert.equal(numbersOf(again), numbersOf(results));
  const wanted = { experiments, scale, seeds: [0, 1, 2], images: dataset.train, folder: whole };
  const plan = await planReproduction(wanted, 0.1);
  assert.equal([plan.runs.length, plan.stepsLeft, plan.secondsLeft], [3 * ARMS, 0, 0]);
  const more = await planReproduction({ ...wanted, seeds: [0, 1, 2, 3] }, 0.1);
  assert.equal([more.runs.length, more.stepsLeft], [4 * ARMS, ARMS * scale.steps]);
  assert.ok(more.secondsLeft > 0 && more.memory > 0 && more.disk > 0);
});

test("stopped at any point it goes on, to the same numbers", async () => {
  const folder = await temporaryFolder();
  const some = experiments.filter(({ id }) => id !== "methods");
  let stops = 0;
  for (let done: unknown; !done && stops < 40; stops++) {
    const stop = new AbortController();
    let updates = 0;
    const update = (): void => {
      if (++updates === 7) stop.abort();
    };
    const found = await run(folder, {
      experiments: some,
      signal: stop.signal,
      reporter: { ...quiet, update },
    });
    if (found) {
      assert.equal(numbersOf(found), numbersOf(results));
      done = found;
    }
  }
  assert.ok(stops > 3 && stops < 40, `${stops} times`);
});

test("another scale or data set needs another folder, and a folder of somebody else's is left alone", async () => {
  await rejects(
    run(whole, { scale: { ...scale, steps: 5 } }),
    /^cannot go on in .*: its settings was .*, got .*; expected the same, or another folder$/,
  );
  await rejects(run(join(whole, "..")), /is not empty and no reproduction of ditlab/);
});

test.run();
