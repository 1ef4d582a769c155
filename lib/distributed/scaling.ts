/**
 * What a step would take on more ranks than there are here: each computes its share, then all exchange gradients around a ring
 * of equal links (alpha-beta model: a message of n bytes takes latency + n / rate). Nothing of it overlaps, as on processors.
 */
import type { Cut } from "../train/cut.ts";

export interface Link {
  /** Bytes a second each way. */
  readonly rate: number;
  /** Seconds that the shortest message takes. */
  readonly latency: number;
}

/** Of networks in clusters; within a machine it is shorter. Seconds. */
export const LATENCY = 20e-6;

const UNITS: Readonly<Record<string, number>> = { Mb: 1e6 / 8, Gb: 1e9 / 8, MB: 1e6, GB: 1e9 };

/** `200Gb` (bits) or `25GB` (bytes) a second. @throws where it is neither */
export function parseLink(text: string): Link {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(Mb|Gb|MB|GB)$/.exec(text) ?? [];
  if (unit === undefined || Number(number) <= 0)
    throw new Error(`a link is a rate such as 200Gb (bits) or 25GB (bytes) a second, got "${text}"`);
  return { rate: Number(number) * UNITS[unit], latency: LATENCY };
}

export interface Scaling {
  readonly ranks: number;
  /** Images of the rank that has most. */
  readonly images: number;
  /** Bytes that each rank sends, and receives, a step. */
  readonly bytes: number;
  /** Seconds. */
  readonly compute: number;
  readonly exchange: number;
  readonly step: number;
  /** How much of the ranks' time is that of one process: its step, over ranks times theirs. */
  readonly efficiency: number;
}

/** Predicts a step on `ranks` ranks, of which one alone takes `seconds`, by the cut of the rank that has most. */
export function predictStep(
  seconds: number,
  {
    batchSize,
    ranks,
    cut,
    gradientBytes,
  }: { batchSize: number; ranks: number; cut: Cut; gradientBytes: number },
  { rate, latency }: Link,
): Scaling {
  const compute = (seconds * cut.count) / batchSize;
  const bytes = (2 * (ranks - 1) * gradientBytes) / ranks;
  const exchange = bytes / rate + 2 * (ranks - 1) * latency;
  const step = compute + exchange;
  return { ranks, images: cut.count, bytes, compute, exchange, step, efficiency: seconds / (ranks * step) };
}

/** The cut of the rank with most images. */
export function largestCut(cuts: readonly Cut[]): Cut {
  return cuts.reduce((most, cut) => (cut.count > most.count ? cut : most));
}
