/** `ditlab train --dry-run`: what a run will take, here and on more ranks. */
import { freemem } from "node:os";
import { LATENCY, largestCut, parseLink, predictStep, type Scaling } from "../distributed/scaling.ts";
import { formatGigabytes } from "../experiments/report/text.ts";
import { measuredStep } from "../reproduce/costs.ts";
import {
  checkTrainConfig,
  cutBatch,
  makeTask,
  planTraining,
  type TrainConfig,
  type TrainPlan,
} from "../train/index.ts";
import { shardBytes } from "../train/shards.ts";

export interface DryRunOptions {
  ranks?: number;
  link?: string;
  shardOptimizer?: boolean;
  json?: boolean;
}

function duration(seconds: number): string {
  if (seconds < 90) return `${seconds.toPrecision(3)} s`;
  const hours = seconds / 3600;
  if (hours < 1.5) return `${Math.round(seconds / 60)} min`;
  return hours < 48 ? `${hours.toFixed(1)} h` : `${Math.round(hours / 24)} days`;
}

/** What a step would take on so many ranks. @throws where they cannot share a batch */
function scalingOf(
  config: TrainConfig,
  { optimizer }: TrainPlan["memory"],
  stepSeconds: number | undefined,
  { ranks, link }: DryRunOptions,
): Scaling | undefined {
  if (ranks === undefined) {
    if (link !== undefined) throw new Error("--link is that between --ranks, which is missing");
    return undefined;
  }
  const task = makeTask(config);
  const cuts = Array.from({ length: ranks }, (_, rank) => cutBatch(task, config, { rank, size: ranks }));
  // The optimizer's two moments are as large as the gradients each.
  const given = { batchSize: config.batchSize, ranks, cut: largestCut(cuts), gradientBytes: optimizer / 2 };
  return stepSeconds === undefined ? undefined : predictStep(stepSeconds, given, parseLink(link ?? LINK));
}

/** Bytes that a rank needs, at most. A part of a batch is no larger than on one process. */
function rankMemory(
  config: TrainConfig,
  { memory: { weights, optimizer, activations } }: TrainPlan,
  { ranks, shardOptimizer }: DryRunOptions,
): number | undefined {
  if (ranks === undefined) return undefined;
  const whole = weights + optimizer + activations;
  if (!shardOptimizer) return whole;
  const task = makeTask(config);
  return whole - shardBytes(task, config, 1) + shardBytes(task, config, ranks);
}

/** The rows of a plan that say so. */
function scalingRows(scaling: Scaling, link: string): string[][] {
  const { ranks, images, bytes, compute, exchange, step, efficiency } = scaling;
  return [
    ["on ranks", `${ranks}, of at most ${images} image${images > 1 ? "s" : ""} each`],
    ["gradients sent by each", `${formatGigabytes(bytes)} a step`],
    [
      "predicted step",
      `${duration(step)}: ${duration(compute)} to compute, ${duration(exchange)} to exchange over ${link}/s`,
    ],
    ["efficiency", `${(100 * efficiency).toFixed(0)} %`],
    [
      "assumed",
      `a ring of equal links, ${1e6 * LATENCY} us a message; nothing overlaps; ranks as fast as this machine`,
    ],
  ];
}

/** A link that clusters have today. */
export const LINK = "200Gb";

/** The plan of a run, with the time that it takes where its memory is free. */
export async function dryRun(config: TrainConfig, options: DryRunOptions): Promise<string> {
  const { json, link = LINK } = options;
  checkTrainConfig(config);
  const plan = await planTraining(config);
  const { weights, optimizer, activations } = plan.memory;
  const needed = weights + optimizer + activations;
  const fits = needed < 0.8 * freemem();
  const stepSeconds = fits ? await measuredStep(config) : undefined;
  const scaling = scalingOf(config, plan.memory, stepSeconds, options);
  const memory = rankMemory(config, plan, options);
  if (json) return `${JSON.stringify({ ...plan, stepSeconds, scaling, rankMemory: memory }, null, 2)}\n`;
  const time =
    stepSeconds === undefined
      ? `not measured: ${formatGigabytes(needed)} needed, ${formatGigabytes(freemem())} free`
      : `at most ${duration(stepSeconds)} a step (${(plan.flopsPerStep / stepSeconds / 1e9).toFixed(0)} GFLOP/s), ${duration(stepSeconds * plan.steps)} in all`;
  const rows = [
    ["parameters", plan.parameters.toLocaleString("en")],
    ["weights and their averages", formatGigabytes(weights)],
    ["optimizer", formatGigabytes(optimizer)],
    ["activations and gradients", `about ${formatGigabytes(activations)}`],
    [
      "batch",
      `${config.batchSize} in ${plan.accumulate} run${plan.accumulate > 1 ? "s" : ""} of ${plan.microBatches} parts`,
    ],
    [
      "matrix products a step",
      `${(plan.flopsPerStep / 1e9).toLocaleString("en", { maximumFractionDigits: 1 })} GFLOP`,
    ],
    ["steps", plan.steps.toLocaleString("en")],
    ["time", time],
    ...(memory === undefined ? [] : [["memory of each rank", `about ${formatGigabytes(memory)}`]]),
    ...(scaling ? scalingRows(scaling, link) : []),
  ];
  return rows.map(([name, value]) => `${name.padEnd(30)}${value}\n`).join("");
}
