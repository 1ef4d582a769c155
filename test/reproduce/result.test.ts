/** What is made of measured values: means, differences within seeds, and whether an order holds. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Evaluation, RunResult } from "../../lib/experiments/index.ts";
import { meanInterval } from "../../lib/metrics/intervals.ts";
import type { Experiment, ModelSetting } from "../../lib/reproduce/index.ts";
import { type Measured, outcomeOf } from "../../lib/reproduce/result.ts";

const BASE: ModelSetting = { family: "SiT", size: "B" };
/** A setting that the values below are told apart by. */
const withLambda = (lambda: number): ModelSetting => ({
  ...BASE,
  sra: { layers: [3, 8], interval: 0, lambda, head: true },
});

const experiment = (papers: readonly number[]): Experiment => ({
  id: "table",
  title: "A table",
  about: "",
  columns: [{ id: "fid", label: "FID", digits: 2, better: "lower" }],
  rows: papers.map((paper, i) => ({
    id: `row-${i}`,
    label: `row ${i}`,
    cells: [{ column: "fid", setting: withLambda(i), reading: { of: "fid", share: 1 }, paper }],
  })),
  claims: [{ id: "all", about: "all", cells: papers.map((_, i) => [`row-${i}`, "fid"] as const) }],
  against: "row-0",
});

/** Runs of 10 steps that end with these distances, by row and seed. */
const measured = (values: readonly (readonly number[])[], trivial?: number): Measured => ({
  steps: 10,
  ...(trivial !== undefined && { trivial }),
  cost: () => ({ seconds: 1, memory: 1, flops: 1, parameters: 1 }),
  runs: ({ setting }) => {
    const { lambda } = setting.sra as { lambda: number };
    return values[lambda].map((frechet, seed): RunResult => {
      const metrics = { frechet, inceptionScore: 1, precision: 1, recall: 1 };
      const evaluations: Evaluation[] = [
        { step: 5, metrics: { ...metrics, frechet: 99 }, probe: [] },
        { step: 10, metrics, probe: [] },
      ];
      return {
        seed,
        evaluations,
        curve: { step: [], losses: {} },
        samples: "",
        trainSeconds: 1,
        stepSeconds: 1,
      };
    });
  },
});

/** Five seeds about a value. */
const near = (value: number): number[] => [0, 0.1, -0.1, 0.05, -0.05].map((luck) => value + luck);

const verdict = (papers: readonly number[], values: readonly (readonly number[])[], trivial?: number) =>
  outcomeOf(experiment(papers), measured(values, trivial)).claims[0];

test("means are over seeds, and differences from the row within each", () => {
  const values = [
    [10, 12, 11],
    [9, 12.5, 9],
  ];
  const { rows } = outcomeOf(experiment([33, 29]), measured(values));
  assert.equal(rows[0].cells[0], { column: "fid", paper: 33, values: values[0], mean: 11 });
  const [{ mean, difference }] = rows[1].cells;
  assert.is(mean, 30.5 / 3);
  assert.ok(Math.abs(difference!.mean - (-1 + 0.5 - 2) / 3) < 1e-12);
  assert.equal(difference!.interval, meanInterval([-1, 0.5, -2]));
  assert.equal(outcomeOf(experiment([33, 29]), measured([[10], [9]])).rows[1].cells[0].difference, {
    mean: -1,
  });
});

test("an order holds, is contradicted, or is not resolved, as far as seeds carry it", () => {
  const papers = [30, 20, 10];
  assert.is(verdict(papers, [near(3), near(2), near(1)]).verdict, "holds");
  assert.is(verdict(papers, [near(1), near(2), near(3)]).verdict, "contradicted");
  const mixed = verdict(papers, [
    [3, 1, 2, 3, 1],
    [2, 3, 1, 1, 2],
    [1, 2, 3, 2, 3],
  ]);
  assert.is(mixed.verdict, "not resolved");
  const four = verdict(papers, [
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 1, 1, 1],
  ]);
  assert.equal([four.tau, four.interval, four.verdict], [1, undefined, "too few seeds"]);
});

test("what is no better than images without learning is not judged", () => {
  const values = [near(3), near(2), near(1)];
  assert.is(verdict([30, 20, 10], values, 4).verdict, "holds");
  assert.is(verdict([30, 20, 10], values, 2.5).verdict, "no better than trivial images");
});

test("an order of scores is not judged either where the same samples are no better than trivial images", () => {
  const { rows, claims, ...rest } = experiment([30, 20]);
  const scored: Experiment = {
    ...rest,
    columns: [...rest.columns, { id: "is", label: "IS", digits: 2, better: "higher" }],
    rows: rows.map((row, i) => ({
      ...row,
      cells: [...row.cells, { ...row.cells[0], column: "is", reading: { of: "is", share: 1 }, paper: i }],
    })),
    claims: [...claims, { id: "is", about: "scores", cells: rows.map(({ id }) => [id, "is"] as const) }],
  };
  const verdicts = (trivial: number): string[] =>
    outcomeOf(scored, measured([near(3), near(2)], trivial)).claims.map(({ verdict }) => verdict);
  assert.equal(verdicts(2.5), ["no better than trivial images", "no better than trivial images"]);
  assert.is(verdicts(4)[0], "holds");
  assert.is.not(verdicts(4)[1], "no better than trivial images");
});

test("a value that was not measured is named", () => {
  const other = { ...measured([[1], [2]]), steps: 12 };
  assert.throws(
    () => outcomeOf(experiment([1, 2]), other),
    /the run with seed 0 was not evaluated after step 12/,
  );
});

test.run();
