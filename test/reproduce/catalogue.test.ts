/** The experiments against the paper's numbers as they were written down apart from them. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fullPlan } from "../../lib/reproduce/full-scale.ts";
import {
  allExperiments,
  type Experiment,
  experimentsNamed,
  fullConfig,
  PAPER_SIZES,
  SMALL_SCALES,
  smallConfig,
  withRows,
} from "../../lib/reproduce/index.ts";
import { runsOf } from "../../lib/reproduce/runs.ts";
import { checkTrainConfig, type TrainConfig } from "../../lib/train/index.ts";

const tables = JSON.parse(readFileSync(new URL("../fixtures/paper-tables.json", import.meta.url), "utf8"));
const named = (id: string, sizes = PAPER_SIZES): Experiment => experimentsNamed(id, sizes)[0];
/** The paper's values of an experiment by row and column. */
const paperOf = ({ rows }: Experiment): Record<string, Record<string, number | undefined>> =>
  Object.fromEntries(
    rows.map(({ id, cells }) => [id, Object.fromEntries(cells.map(({ column, paper }) => [column, paper]))]),
  );
const images = { height: 28, channels: 1, captions: [12, 16] };

test("table 1 has the paper's rows, their values, and what they train", () => {
  const experiment = named("table1");
  const { rows } = tables.table1_components;
  assert.equal(
    experiment.rows.map(({ id }) => id),
    rows.map(({ id }: { id: string }) => id),
  );
  for (const [i, { id, layers, interval, lambda, projectionHead, fid, is }] of rows.entries()) {
    assert.equal(paperOf(experiment)[id], { fid, is });
    const [cell] = experiment.rows[i].cells;
    const { methods, emaDecay, steps, batchSize, model } = fullConfig(cell.setting, 0);
    assert.equal(
      [steps, batchSize, emaDecay, model.depth, model.hiddenSize],
      [400_000, 256, 0.9999, 12, 768],
    );
    if (layers === null) assert.equal(methods, []);
    else
      assert.equal(methods, [
        {
          method: "sra",
          weight: lambda,
          studentBlock: layers[0],
          teacherBlock: layers[1],
          interval,
          distance: "smooth-l1",
          beta: 0.05,
          projectionHead,
        },
      ]);
  }
});

test("table 2 has the paper's values and trainings, and its commands measure as the paper does", () => {
  const experiment = named("table2");
  assert.equal(
    Object.values(paperOf(experiment)),
    tables.table2_text_to_image.rows.map(({ fid, pickScore }: Record<string, number>) => ({
      fid,
      pickscore: pickScore,
    })),
  );
  const configs = experiment.rows.map(({ cells: [{ setting }] }) => fullConfig(setting, 0));
  for (const { steps, batchSize, classDropout, emaDecay, model } of configs)
    assert.equal(
      [steps, batchSize, classDropout, emaDecay, model.depth, model.hiddenSize],
      [150_000, 256, 0.1, 0.9999, 24, 768],
    );
  const [plain, repa, sra] = configs.map(({ methods }) => methods);
  assert.equal(plain, []);
  assert.equal([repa[0].method, repa[0].weight], ["repa", 0.5]);
  assert.equal(sra, [
    {
      method: "sra",
      weight: 0.2,
      studentBlock: 6,
      teacherBlock: 16,
      interval: [0, 0.2],
      distance: "smooth-l1",
      beta: 0.05,
      projectionHead: true,
    },
  ]);
  const { commands } = fullPlan([experiment]);
  const of = (word: string): string[] => commands.filter((command) => command.includes(`ditlab ${word} `));
  assert.equal([of("train").length, of("sample").length, of("evaluate").length], [3, 6, 6]);
  assert.equal(
    of("train").map((command) => command.includes(" --array dinov2=coco-dinov2 ")),
    [false, true, false],
  );
  for (const [i, command] of of("sample").entries()) {
    assert.match(command, i % 2 === 0 ? "--sampler euler --steps 50 " : "--sampler sde --steps 250 ");
    assert.match(command, "--guidance 2 --captions coco-val-captions --count 40192");
  }
  // At a small scale what captions say is read off pictures, and there are no features that REPA could take.
  assert.equal(
    named("table2", SMALL_SCALES.tiny).rows.map(({ id }) => id),
    ["baseline", "sra"],
  );
});

test("tables 3, 4, 6 and 7 have the paper's values", () => {
  const decays = tables.table6_ema.rows;
  assert.equal(paperOf(named("table6")), {
    baseline: { fid: 33.02, is: 43.71 },
    ...Object.fromEntries(
      ["none", "rising", "slow"].map((name, i) => [`ema-${name}`, { fid: decays[i].fid, is: decays[i].is }]),
    ),
  });
  const settings = named("table6").rows.map(({ cells: [{ setting }] }) => fullConfig(setting, 0).emaDecay);
  assert.equal(settings, [0.9999, 0, { from: 0.996, to: 1, steps: 400_000, shape: "cosine" }, 0.9999]);
  const costs = tables.table7_cost.rows as { model: string; memGB: number; hoursPerEpoch: number }[];
  const of = (model: string) => costs.find((row) => row.model === model)!;
  for (const [id, { memory, seconds }] of Object.entries(paperOf(named("table7")))) {
    const model = id.replace("-sra", "").toUpperCase().replace("SIT", "SiT").replace("DIT", "DiT");
    const [without, with_] = [of(model), of(`${model} + SRA`)];
    assert.equal(
      [memory, seconds],
      [with_.memGB / without.memGB, with_.hoursPerEpoch / without.hoursPerEpoch],
    );
  }
  for (const [table, rows] of [
    ["table3", tables.table3_imagenet256_cfg.rows],
    ["table4", tables.table4_imagenet512_cfg.rows],
  ])
    for (const { paper } of named(table).released!)
      assert.ok(
        rows.some((row: Record<string, number>) =>
          Object.keys(paper).every((name) => row[name] === paper[name]),
        ),
        JSON.stringify(paper),
      );
});

test("figures 2, 4 and 7 have the paper's values", () => {
  const values = (row: Record<string, unknown>): unknown[] => Object.values(row);
  const figure2 = paperOf(named("figure2"));
  for (const t of ["0.1", "0.3", "0.5", "0.7"]) {
    assert.equal(values(figure2[`sit-t${t}`]), tables.figure2_linear_probe["SiT-XL/2"][`t${t}`]);
    assert.equal(
      values(figure2[`dit-t${t}`]),
      tables.figure2_linear_probe["DiT-XL/2"][`t${1000 * Number(t)}`],
    );
  }
  for (const [id, row] of Object.entries(paperOf(named("figure4")))) {
    const [family, size, sra] = id.split("-");
    const name = `${family === "sit" ? "SiT" : "DiT"}-${size.toUpperCase()}${sra ? " + SRA" : ""}`;
    const curve = Object.fromEntries(tables.figure4_fid_vs_steps[name]);
    for (const [column, value] of Object.entries(row)) assert.is(value, curve[Number.parseInt(column, 10)]);
  }
  const { figure7 } = tables;
  const a = figure7["a_probe_by_layer_t0.1"];
  assert.equal(values(paperOf(named("figure7a")).sit), a["SiT-XL"]);
  assert.equal(values(paperOf(named("figure7a"))["sit-sra"]), a["SiT-XL + SRA"]);
  assert.equal(values(paperOf(named("figure7b")).sit), figure7.b_probe_layer8["SiT-XL"]);
  assert.equal(values(paperOf(named("figure7b"))["sit-sra"]), figure7.b_probe_layer8["SiT-XL + SRA"]);
  const c = Object.values(paperOf(named("figure7c")));
  assert.equal(
    c.map(({ fid }) => fid),
    figure7.c_teacher_layer_vs_fid.fid,
  );
  assert.equal(
    c.map(({ probe }) => probe),
    figure7.c_teacher_layer_vs_fid.probe,
  );
  assert.equal(values(paperOf(named("figure7d")).teacher), figure7.d_teacher_probe_by_iteration.teacher);
  // At the paper's scale blocks are those that it probes.
  const probed = named("figure2").rows[0].cells.map(({ reading }) => "block" in reading && reading.block);
  assert.equal(probed, figure7["a_probe_by_layer_t0.1"].layers);
});

for (const [name, sizes, configOf] of [
  ["paper", PAPER_SIZES, fullConfig],
  ...Object.entries(SMALL_SCALES).map(
    ([name, scale]) =>
      [name, scale, (setting, seed) => smallConfig(scale, setting, images, seed)] as [
        string,
        typeof scale,
        typeof fullConfig,
      ],
  ),
] as [string, typeof PAPER_SIZES, (...args: Parameters<typeof fullConfig>) => TrainConfig][])
  test(`at scale ${name} every row can be trained, and what it claims and is set against is there`, () => {
    for (const { id, rows, claims, columns, against } of allExperiments(sizes)) {
      const ids = rows.map((row) => row.id);
      assert.is(new Set(ids).size, ids.length, id);
      assert.ok(against === undefined || ids.includes(against), id);
      const known = columns.map((column) => column.id);
      for (const { cells } of rows)
        for (const { column, setting, reading } of cells) {
          assert.ok(known.includes(column), `${id} ${column}`);
          const config = configOf(setting, 0);
          checkTrainConfig(config);
          if (reading.of === "probe") assert.ok(reading.block >= 1 && reading.block <= config.model.depth);
        }
      for (const claim of claims)
        for (const [row, column] of claim.cells) {
          const cell = rows.find((one) => one.id === row)?.cells.find((one) => one.column === column);
          assert.ok(cell?.paper !== undefined, `${id} ${claim.id} ${row} ${column}`);
        }
    }
  });

test("rows that are trained alike share runs, over tables and figures", () => {
  const { tiny } = SMALL_SCALES;
  const configOf = (...[setting, seed]: Parameters<typeof fullConfig>) =>
    smallConfig(tiny, setting, images, seed);
  const count = (...ids: string[]): number =>
    runsOf(
      ids.flatMap((id) => experimentsNamed(id, tiny)),
      configOf,
    ).length;
  assert.is(count("table1"), 18);
  assert.is(count("table6"), 4);
  assert.is(count("table1", "table6"), 20);
  assert.is(count("table1", "table6", "figure2", "figure4", "figure7a", "figure7b", "figure7d"), 22);
  const [first, ...others] = runsOf([named("table1", tiny), named("figure2", tiny)], configOf);
  assert.equal(first.rows, [
    "table1 baseline",
    ...["0.1", "0.3", "0.5", "0.7"].map((t) => `figure2 sit-t${t}`),
  ]);
  // Whichever is asked for first: what one command trained another one finds.
  const names = (...ids: string[]): string[] =>
    runsOf(
      ids.map((id) => named(id, tiny)),
      configOf,
    ).map(({ name }) => name);
  const both = names("table1", "figure4");
  const swapped = names("figure4", "table1").sort();
  assert.equal(swapped, [...both].sort());
  // The baselines, and SRA as the paper chose it.
  assert.equal(
    [first, ...others].filter(({ isFollowed }) => isFollowed).map(({ name }) => name.slice(0, -7)),
    ["sit-b", "sit-b-sra-3-8", "dit-b"],
  );
});

test("names and rows that there are not are said with those that there are", () => {
  assert.equal(
    experimentsNamed("figure7", PAPER_SIZES).map(({ id }) => id),
    ["figure7a", "figure7b", "figure7c", "figure7d"],
  );
  assert.throws(
    () => experimentsNamed("table9", PAPER_SIZES),
    /there is no experiment 'table9'; expected one of table1, table2, .*, or all/,
  );
  const some = withRows(named("table1"), ["head-off", "layers-3-8"]);
  assert.equal(
    some.rows.map(({ id }) => id),
    ["baseline", "layers-3-8", "head-off"],
  );
  assert.throws(
    () => withRows(named("table1"), ["heads"]),
    /table1 has no row 'heads'; expected some of baseline, /,
  );
});

test.run();
