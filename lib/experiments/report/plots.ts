/** Builds one plotly figure out of curves: traces, layout, a description in words and the same numbers as a table. */

import { lookOf } from "./arms.ts";
import { plotText } from "./html.ts";
import { logTicks, type Series, type Summary, spaced, summarizeSeries } from "./series.ts";
import { formatCount, formatValue, NOT_AVAILABLE, type NumberFormat, plural } from "./text.ts";

/** One arm's curves. */
export interface ArmSeries {
  /** Of the arm in the comparison, from 0: what it looks like depends on it. */
  place: number;
  label: string;
  series: Series[];
}

/** What a figure is drawn from. */
export interface FigureInput {
  id: string;
  title: string;
  /** One line under the title: which way is better, how it was smoothed. */
  note: string;
  xTitle: string;
  /** Name of the x value in words and in the table, for example `step`. */
  xName: string;
  format: NumberFormat;
  arms: ArmSeries[];
  /** Level of the real images, drawn as a dotted line. */
  reference?: number;
  /** Draw every seed as a thin line (else the range over seeds as a band). */
  seedLines: boolean;
  /** Range shared by several figures. */
  yRange?: [number, number];
}

/** A table's caption, column heads and cells. */
export interface DataTable {
  caption: string;
  head: string[];
  rows: string[][];
}

/** A figure ready for the page. Colours are names such as `@arm-1`, which the page resolves for its theme. */
export interface Figure {
  id: string;
  title: string;
  note: string;
  /** The essential numbers in words, for readers who do not see the plot. */
  description: string;
  data: Record<string, unknown>[];
  layout: Record<string, unknown>;
  arms: { place: number; label: string }[];
  seedLines: boolean;
  hasBand: boolean;
  hasReference: boolean;
  table: DataTable;
}

const finite = (values: readonly number[]) => values.map((value) => (Number.isFinite(value) ? value : null));

/** plotly's number format for hover labels. */
const hoverFormat = (format: NumberFormat) => (format.unit === "percent" ? ".1%" : `,.${format.digits}f`);

function armTraces(entry: ArmSeries, input: FigureInput, summary: Summary): Record<string, unknown>[] {
  const look = lookOf(entry.place);
  const { symbol } = look;
  const color = `@${look.color}`;
  const dash = look.dash === "" ? "solid" : look.dash.replaceAll(/\d+/g, "$&px").replaceAll(" ", ",");
  const quiet = { hoverinfo: "skip", showlegend: false };
  const several = entry.series.length > 1;
  const markers = !input.seedLines;
  const traces: Record<string, unknown>[] = [];
  if (several && input.seedLines)
    for (const series of entry.series)
      traces.push({
        ...quiet,
        mode: "lines",
        x: series.x,
        y: finite(series.y),
        opacity: 0.45,
        line: { color, width: 1 },
      });
  if (several && !input.seedLines) {
    traces.push({
      ...quiet,
      mode: "lines",
      x: [...summary.x, ...summary.x.toReversed()],
      y: [...summary.max, ...summary.min.toReversed()],
      fill: "toself",
      fillcolor: `${color}-band`,
      line: { width: 0 },
    });
    for (const series of entry.series)
      traces.push({
        ...quiet,
        mode: "markers",
        x: series.x,
        y: finite(series.y),
        opacity: 0.7,
        marker: { color, symbol: `${symbol}-open`, size: 6 },
      });
  }
  const y = `%{y:${hoverFormat(input.format)}}`;
  traces.push({
    name: plotText(entry.label),
    mode: markers ? "lines+markers" : "lines",
    x: summary.x,
    y: summary.mean,
    line: { color, width: 2.5, dash },
    marker: { color, symbol, size: 8, line: { color: "@surface", width: 1 } },
    hovertemplate: `${plotText(entry.label)}: ${y}<extra></extra>`,
  });
  return traces;
}

/** Whether values span enough, and are all positive, for a logarithmic axis to show them better. */
function wantsLog(values: readonly number[]): boolean {
  return values.length > 0 && Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= 5;
}

function yAxis(values: readonly number[], input: FigureInput): Record<string, unknown> {
  const axis = { automargin: true, fixedrange: true, zeroline: false, gridcolor: "@grid", ticklen: 4 };
  const tickformat = input.format.unit === "percent" ? ".0%" : undefined;
  if (input.yRange !== undefined) return { ...axis, tickformat, range: input.yRange };
  if (input.format.unit === "plain" && wantsLog(values)) {
    const tickvals = logTicks(Math.min(...values), Math.max(...values));
    const pad = 0.04 * Math.log10(Math.max(...values) / Math.min(...values));
    const range = [Math.log10(Math.min(...values)) - pad, Math.log10(Math.max(...values)) + pad];
    return {
      ...axis,
      type: "log",
      tickvals,
      ticktext: tickvals.map(String),
      minor: { showgrid: false },
      range,
    };
  }
  return { ...axis, tickformat, nticks: 6 };
}

/** "falls from a to b", "rises from a to b" or the single value, for one arm's mean. */
function trend(entry: ArmSeries, summary: Summary, input: FigureInput): string {
  const last = summary.x.length - 1;
  if (last < 0) return `${entry.label}: ${NOT_AVAILABLE}.`;
  const value = (i: number) => formatValue(summary.mean[i], input.format);
  const where = (i: number) => `${input.xName} ${formatCount(summary.x[i])}`;
  const range =
    entry.series.length > 1
      ? `, ${plural(entry.series.length, "seed")} from ${formatValue(summary.min[last], input.format)} to ${formatValue(summary.max[last], input.format)}`
      : "";
  if (last === 0) return `${entry.label}: ${value(0)} at ${where(0)}${range}.`;
  return `${entry.label}: ${value(0)} at ${where(0)}, ${value(last)} at ${where(last)}${range}.`;
}

function tableOf(input: FigureInput): DataTable {
  const columns = input.arms.flatMap((entry) =>
    entry.series.map((series) => ({ label: entry.label, series })),
  );
  const longest = columns.reduce<number[]>((x, c) => (c.series.x.length > x.length ? c.series.x : x), []);
  const rows = spaced(longest.length, 12).map((i) => {
    const cells = columns.map(({ series }) => {
      const at = series.x.indexOf(longest[i]);
      return formatValue(at < 0 ? Number.NaN : series.y[at], input.format);
    });
    return [formatCount(longest[i]), ...cells];
  });
  if (input.reference !== undefined)
    rows.push(["real images", ...columns.map(() => formatValue(input.reference!, input.format))]);
  const shown = rows.length < longest.length ? `, ${rows.length} of ${longest.length} points` : "";
  return {
    caption: `${input.title}, every seed${shown}`,
    head: [input.xName, ...columns.map((column) => `${column.label}, seed ${column.series.seed}`)],
    rows,
  };
}

/** The next number of at most two significant digits. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return Math.ceil(value / unit) * unit;
}

/** Builds a figure: mean of each arm over its seeds, and each seed thin or the range over seeds as a band. */
export function lineFigure(input: FigureInput): Figure {
  const summaries = input.arms.map((entry) => summarizeSeries(entry.series));
  const data = input.arms.flatMap((entry, i) => armTraces(entry, input, summaries[i]));
  const reference = Number.isFinite(input.reference) ? input.reference : undefined;
  const xs = input.arms.flatMap((entry) => entry.series.flatMap((series) => series.x));
  const ys = input.arms
    .flatMap((entry) => entry.series.flatMap((series) => series.y))
    .filter(Number.isFinite);
  if (reference !== undefined) ys.push(reference);
  const few = new Set(xs).size <= 8 && !input.seedLines;
  const shape = { type: "line", xref: "paper", x0: 0, x1: 1, y0: reference, y1: reference };
  const isLog = yAxis(ys, input).type === "log";
  const description = [
    `Line chart. ${input.title} by ${input.xTitle}${isLog ? ", logarithmic scale" : ""}.`,
    ...input.arms.map((entry, i) => trend(entry, summaries[i], input)),
    reference === undefined ? "" : `Real images: ${formatValue(reference, input.format)}.`,
  ];
  return {
    id: input.id,
    title: input.title,
    note: isLog ? `${input.note}${input.note === "" ? "L" : "; l"}ogarithmic scale` : input.note,
    description: description.filter((part) => part !== "").join(" "),
    data,
    layout: {
      xaxis: {
        title: { text: plotText(input.xTitle), standoff: 8, font: { size: 13 } },
        tickformat: ",d",
        fixedrange: true,
        zeroline: false,
        showgrid: false,
        linecolor: "@axis",
        ticks: "outside",
        tickcolor: "@axis",
        ticklen: 4,
        ...(few ? { tickvals: [...new Set(xs)] } : { nticks: 6, range: [0, roundUp(Math.max(...xs))] }),
      },
      yaxis: yAxis(ys, input),
      shapes:
        reference === undefined ? [] : [{ ...shape, line: { color: "@real", width: 2, dash: "2px,3px" } }],
    },
    arms: input.arms.map(({ place, label }) => ({ place, label })),
    seedLines: input.seedLines && input.arms.some((entry) => entry.series.length > 1),
    hasBand: !input.seedLines && input.arms.some((entry) => entry.series.length > 1),
    hasReference: reference !== undefined,
    table: tableOf(input),
  };
}
