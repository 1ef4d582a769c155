/** What an experiment came to: the paper's values beside ours, their spread, differences within seeds, and orders. */
import type { RunResult } from "../experiments/results.ts";
import { type Interval, meanInterval } from "../metrics/intervals.ts";
import type { Cost } from "./costs.ts";
import type { Cell, Claim, Experiment, Reading, Row } from "./experiment.ts";
import { equalTimeStep, stepAt } from "./runs.ts";
import { FEWEST_SEEDS, tauOverSeeds } from "./tau.ts";

export interface CellResult {
  column: string;
  paper?: number;
  /** One for each seed; of a cost there is one. */
  values: number[];
  mean: number;
  /** From the row that the others are set against, within seeds; the interval needs two seeds. */
  difference?: { mean: number; interval?: Interval };
}

export interface RowResult {
  id: string;
  label: string;
  cells: CellResult[];
}

export interface ClaimResult {
  id: string;
  about: string;
  /** Cells that are compared. */
  count: number;
  /** Kendall's tau between the paper's values and the means over seeds. */
  tau: number;
  /** 95 %, by a bootstrap over seeds; with fewer than five there is none. */
  interval?: Interval;
  /** `holds` or `contradicted` where the interval lies on one side of 0, and all samples beat trivial images by FID. */
  verdict: "holds" | "not resolved" | "contradicted" | "too few seeds" | "no better than trivial images";
}

export interface ExperimentOutcome {
  rows: RowResult[];
  claims: ClaimResult[];
}

/** What cells are read from. */
export interface Measured {
  readonly steps: number;
  /** A setting's runs, one for each seed. */
  runs(cell: Cell): readonly RunResult[];
  cost(setting: Cell["setting"]): Cost;
  /** The best FID of images that take no learning. */
  readonly trivial?: number;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** What a run has of a reading. @throws naming the run's seed where it was not measured */
function valueIn(
  { seed, evaluations }: RunResult,
  reading: Extract<Reading, { share: unknown }>,
  step: number,
): number {
  const found = evaluations.find((evaluation) => evaluation.step === step);
  if (!found) throw new Error(`the run with seed ${seed} was not evaluated after step ${step}`);
  if (reading.of === "fid") return found.metrics.frechet;
  if (reading.of === "is") return found.metrics.inceptionScore;
  if (reading.of === "facts") {
    if (!found.facts) throw new Error(`the run with seed ${seed} drew no captions whose facts could be read`);
    return 100 * found.facts[reading.fact];
  }
  if (reading.of === "pickscore")
    throw new Error("the PickScore is of pictures of COCO's captions; expected --scale paper");
  const { t, block } = reading as Extract<Reading, { of: "probe" }>;
  const probe = found.probe.find(({ timestep }) => timestep === t);
  if (!probe) throw new Error(`the run with seed ${seed} was not probed at t = ${t}`);
  return 100 * probe.accuracy[block - 1];
}

function valuesOf(cell: Cell, measured: Measured): number[] {
  const { setting, reading } = cell;
  if ("share" in reading) {
    const { steps } = measured;
    const step =
      reading.share === "equal time"
        ? equalTimeStep(setting, steps, (of) => measured.cost(of).seconds)
        : stepAt(steps, reading.share);
    return measured.runs(cell).map((run) => valueIn(run, reading, step));
  }
  return [measured.cost(setting)[reading.of] / measured.cost(reading.against)[reading.of]];
}

const cellIn = (rows: readonly RowResult[], row: string, column: string): CellResult | undefined =>
  rows.find(({ id }) => id === row)?.cells.find((cell) => cell.column === column);

function differenceFrom(base: readonly number[], { values }: CellResult): CellResult["difference"] {
  const differences = values.map((value, i) => value - base[i]);
  return {
    mean: mean(differences),
    ...(differences.length > 1 && { interval: meanInterval(differences) }),
  };
}

/** What an order comes to, of samples of which some may be no better than images without learning. */
function verdictOf(
  seeds: number,
  interval: Interval | undefined,
  isTrivial: boolean,
): ClaimResult["verdict"] {
  if (isTrivial) return "no better than trivial images";
  if (seeds < FEWEST_SEEDS) return "too few seeds";
  if (!interval) return "not resolved";
  if (interval[0] > 0) return "holds";
  return interval[1] < 0 ? "contradicted" : "not resolved";
}

function claimResult(
  { id, about, cells }: Claim,
  rows: readonly RowResult[],
  isTrivial: boolean,
): ClaimResult | undefined {
  const compared = cells
    .map(([row, column]) => cellIn(rows, row, column))
    .filter((cell) => cell?.paper !== undefined)
    .map((cell) => cell!);
  // Rows that were left out are not compared; one value has no order.
  if (compared.length < 2) return undefined;
  const { tau, interval } = tauOverSeeds(
    compared.map(({ paper }) => paper!),
    compared.map(({ values }) => values),
  );
  return {
    id,
    about,
    count: compared.length,
    tau,
    ...(interval && { interval }),
    verdict: verdictOf(compared[0].values.length, interval, isTrivial),
  };
}

/** An experiment's outcome from what was measured. */
export function outcomeOf({ rows, claims, against }: Experiment, measured: Measured): ExperimentOutcome {
  const results = rows.map(
    ({ id, label, cells }: Row): RowResult => ({
      id,
      label,
      cells: cells.map((cell) => {
        const values = valuesOf(cell, measured);
        return {
          column: cell.column,
          ...(cell.paper !== undefined && { paper: cell.paper }),
          values,
          mean: mean(values),
        };
      }),
    }),
  );
  const base = results.find(({ id }) => id === against);
  // Costs are multiples already.
  const costs = new Set(
    rows.flatMap(({ cells }) =>
      cells.filter(({ reading }) => !("share" in reading)).map(({ column }) => column),
    ),
  );
  for (const row of results)
    for (const cell of row.cells) {
      const isBase = row === base || costs.has(cell.column);
      const other = isBase ? undefined : base?.cells.find(({ column }) => column === cell.column);
      if (other) cell.difference = differenceFrom(other.values, cell);
    }
  const { trivial = Number.POSITIVE_INFINITY } = measured;
  /** Whether a claim is of samples whose FID, of the same training, is no better than that of trivial images. */
  const isTrivial = ({ cells }: Claim): boolean =>
    cells.some(([id, column]) => {
      const row = rows.find((row) => row.id === id);
      const reading = row?.cells.find((cell) => cell.column === column)?.reading;
      if (!row || !reading || (reading.of !== "fid" && reading.of !== "is")) return false;
      return row.cells.some(
        ({ column, reading: { of, ...rest } }) =>
          of === "fid" &&
          "share" in rest &&
          rest.share === reading.share &&
          cellIn(results, id, column)!.mean >= trivial,
      );
    });
  return {
    rows: results,
    claims: claims
      .map((claim) => claimResult(claim, results, isTrivial(claim)))
      .filter((result) => result !== undefined),
  };
}
