/** Curves of several seeds, reduced to what a plot shows. */

import { mean } from "./measures.ts";

/** One seed's curve. */
export interface Series {
  seed: number;
  x: number[];
  y: number[];
}

/** Mean and range over seeds at each x that every seed has. */
export interface Summary {
  x: number[];
  mean: number[];
  min: number[];
  max: number[];
}

/** How many logged steps one point of a smoothed curve of this length averages. */
export function binSize(length: number, points = 60): number {
  return Math.max(1, Math.ceil(length / points));
}

/**
 * Smooths a curve by means of `size` consecutive entries that do not overlap; the last one may be shorter. Entries
 * that are not finite are left out, and a mean of nothing is NaN.
 */
export function binned(seed: number, x: readonly number[], y: readonly number[], size: number): Series {
  const length = Math.min(x.length, y.length);
  const starts = Array.from({ length: Math.ceil(length / size) }, (_, i) => i * size);
  const part = (values: readonly number[], start: number) =>
    mean(values.slice(start, Math.min(start + size, length)).filter(Number.isFinite));
  return { seed, x: starts.map((s) => part(x, s)), y: starts.map((s) => part(y, s)) };
}

/** Mean, minimum and maximum over seeds; an x that one of them lacks, or where one is not finite, is left out. */
export function summarizeSeries(series: readonly Series[]): Summary {
  const maps = series.map((s) => new Map(s.x.map((x, i) => [x, s.y[i]])));
  const x = (series[0]?.x ?? []).filter((value) => maps.every((map) => Number.isFinite(map.get(value))));
  const values = x.map((value) => maps.map((map) => map.get(value)!));
  return {
    x,
    mean: values.map((v) => mean(v)),
    min: values.map((v) => Math.min(...v)),
    max: values.map((v) => Math.max(...v)),
  };
}

/** Ticks 1, 2 and 5 times powers of ten from one below `min` to one above `max`, both positive. */
export function logTicks(min: number, max: number): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(min)) - 1; power <= Math.ceil(Math.log10(max)); power++)
    for (const factor of [1, 2, 5]) ticks.push(Number(`${factor}e${power}`));
  const from = ticks.findLastIndex((tick) => tick <= min);
  const to = ticks.findIndex((tick) => tick >= max);
  const inside = ticks.slice(Math.max(0, from), to < 0 ? undefined : to + 1);
  return inside.length > 8 ? inside.filter((tick) => /^1(e|0|$)|^0\.0*1$/.test(String(tick))) : inside;
}

/** At most `count` indices from 0 to `length - 1`, evenly spaced, first and last among them. */
export function spaced(length: number, count: number): number[] {
  if (length <= count) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - 1)) / (count - 1)));
}
