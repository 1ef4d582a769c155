/** Plots of a reproduction: values over columns where those are an axis, else the paper's values against ours. */
import { lookOf } from "../experiments/report/arms.ts";
import { plotText } from "../experiments/report/html.ts";
import { formatFixed } from "../experiments/report/text.ts";
import type { Column } from "./experiment.ts";
import type { Reproduction } from "./reproduce.ts";
import type { CellResult, RowResult } from "./result.ts";

export interface Drawing {
  readonly id: string;
  readonly heading: string;
  /** The numbers in words. */
  readonly description: string;
  readonly data: Record<string, unknown>[];
  readonly layout: Record<string, unknown>;
}

const AXIS = { automargin: true, fixedrange: true, zeroline: false, gridcolor: "@grid" };

const spreadOf = (cells: readonly CellResult[]) => ({
  type: "data",
  symmetric: false,
  array: cells.map(({ values, mean }) => Math.max(...values) - mean),
  arrayminus: cells.map(({ values, mean }) => mean - Math.min(...values)),
  thickness: 1.2,
  width: 0,
  color: "@axis",
});

/** The paper's value of each row against ours. */
function scatter({ id, label, digits }: Column, rows: readonly RowResult[]): Drawing | undefined {
  const points = rows.flatMap((row) => {
    const cell = row.cells.find(({ column, paper }) => column === id && paper !== undefined);
    return cell ? [{ row, cell }] : [];
  });
  if (points.length < 2) return undefined;
  const cells = points.map(({ cell }) => cell);
  return {
    id: `scatter-${id}`,
    heading: `${label}: the paper's value and ours`,
    description: points
      .map(
        ({ row, cell }) =>
          `${row.id}: ${formatFixed(cell.paper!, digits)}, here ${formatFixed(cell.mean, digits)}`,
      )
      .join("; "),
    data: [
      {
        mode: "markers",
        x: cells.map(({ paper }) => paper),
        y: cells.map(({ mean }) => mean),
        text: points.map(({ row }) => plotText(row.label)),
        error_y: spreadOf(cells),
        marker: { color: `@${lookOf(0).color}`, size: 9 },
        hovertemplate: `%{text}<br>paper %{x:.${digits}f}, here %{y:.${digits}f}<extra></extra>`,
      },
    ],
    layout: {
      hovermode: "closest",
      xaxis: { ...AXIS, title: { text: `${plotText(label)}, paper` } },
      yaxis: { ...AXIS, title: { text: `${plotText(label)}, here` } },
    },
  };
}

/** A line for each row over the columns, of the paper's values or of ours. */
function lines(whose: "paper" | "here", columns: readonly Column[], rows: readonly RowResult[]): Drawing {
  const shown = rows.map((row) => ({
    row,
    points: columns.flatMap(({ id, label }) => {
      const cell = row.cells.find(({ column }) => column === id);
      const value = whose === "paper" ? cell?.paper : cell?.mean;
      return cell && value !== undefined ? [{ label, cell, value }] : [];
    }),
  }));
  return {
    id: `lines-${whose}`,
    heading: whose === "paper" ? "The paper" : "Here",
    description: shown
      .map(
        ({ row, points }) =>
          `${row.label}: ${points.map(({ value }) => formatFixed(value, columns[0].digits)).join(", ")}`,
      )
      .join("; "),
    data: shown.map(({ row, points }, place) => ({
      name: plotText(row.label),
      mode: "lines+markers",
      x: points.map(({ label }) => plotText(label)),
      y: points.map(({ value }) => value),
      ...(whose === "here" && { error_y: spreadOf(points.map(({ cell }) => cell)) }),
      line: { color: `@${lookOf(place).color}`, width: 2.2 },
      marker: { color: `@${lookOf(place).color}`, symbol: lookOf(place).symbol, size: 7 },
    })),
    layout: {
      showlegend: true,
      legend: { orientation: "h", y: -0.25, font: { size: 11 } },
      xaxis: { ...AXIS, type: "category" },
      yaxis: AXIS,
    },
  };
}

/** What a reproduction is drawn as. Columns are an axis where there are more of them than there are measures. */
export function drawings({ columns, rows }: Reproduction): Drawing[] {
  if (
    columns.length > 2 &&
    columns.every(({ better, digits }) => better === columns[0].better && digits === columns[0].digits)
  )
    return (["paper", "here"] as const)
      .map((whose) => lines(whose, columns, rows))
      .filter(({ data }) => data.some(({ x }) => (x as unknown[]).length > 1));
  return columns.map((column) => scatter(column, rows)).filter((drawing) => drawing !== undefined);
}
