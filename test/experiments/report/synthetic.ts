/** Made-up results that look like those of a real experiment, for the tests of the report. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import type { ArmResult, Evaluation, Results, RunResult } from "../../../lib/experiments/results.ts";

/** Uniform numbers in [0, 1) by mulberry32: the same numbers for the same seed. */
function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const STEPS = 3000;
const BLOCKS = 6;
const LEVELS = [0.2, 0.5, 0.8];

interface SyntheticArm extends Omit<ArmResult, "runs"> {
  /** How much of SRA's made-up effect it has. */
  gain: number;
  hasAlignment: boolean;
}

/** The arms of the tests: those of the demo, then others. */
const ARMS: readonly SyntheticArm[] = [
  { name: "baseline", label: "SiT", phrase: "the baseline", gain: 0, hasAlignment: false },
  { name: "sra", label: "SiT + SRA (2 -> 4)", phrase: "SRA", gain: 1, hasAlignment: true },
  { name: "sra-late", label: "SiT + SRA (3 -> 5)", phrase: "late SRA", gain: 0.4, hasAlignment: true },
  { name: "wide", label: "SiT, twice as wide", phrase: "a wide SiT", gain: 3, hasAlignment: false },
];

function evaluation({ gain }: SyntheticArm, step: number, shift: number, next: () => number): Evaluation {
  const done = 1 - Math.exp((-3 * step) / STEPS);
  const noise = (size: number) => (next() - 0.5) * size + shift * size;
  return {
    step,
    metrics: {
      frechet: 9 + 160 * (1 - done) - 2.6 * gain + noise(1.2),
      inceptionScore: 3.2 + 5.6 * done + 0.12 * gain + noise(0.3),
      precision: 0.25 + 0.52 * done + 0.002 * gain + noise(0.03),
      recall: 0.2 + 0.45 * done - 0.004 * gain + noise(0.035),
    },
    probe: LEVELS.map((timestep) => ({
      timestep,
      accuracy: Array.from({ length: BLOCKS }, (_, b) => {
        const hump = Math.exp(-((b - 3.2 - gain * 0.6) ** 2) / 7);
        return Math.min(
          0.995,
          0.42 + (0.3 + 0.22 * done + 0.035 * gain) * hump * (1.15 - 0.55 * timestep) + noise(0.012),
        );
      }),
    })),
  };
}

function run(arm: SyntheticArm, seed: number): RunResult {
  const { name, hasAlignment } = arm;
  const shared = uniform(1000 + seed);
  const shift = shared() - 0.5;
  const next = uniform(2000 + seed * 10 + ARMS.indexOf(arm));
  const step = Array.from({ length: STEPS / 5 }, (_, i) => (i + 1) * 5);
  const jitter = (size: number) => 1 + (next() - 0.5) * size;
  return {
    seed,
    curve: {
      step,
      losses: {
        generative: step.map(
          (s) => (0.19 + 1.7 * Math.exp(-s / 120) + 0.16 * Math.exp(-s / 900)) * jitter(0.16),
        ),
        ...(hasAlignment && { sra: step.map((s) => (0.045 + 0.3 * Math.exp(-s / 350)) * jitter(0.2)) }),
      },
    },
    evaluations: [600, 1200, 1800, 2400, 3000].map((s) => evaluation(arm, s, shift, next)),
    samples: `samples-${name}-${seed}.png`,
    trainSeconds: (hasAlignment ? 341 : 262) + seed,
    stepSeconds: hasAlignment ? 0.1136 + seed / 1e4 : 0.0872,
  };
}

/** Results of some of the arms with these seeds: by default of the demo's two. */
export function syntheticResults(seeds: readonly number[] = [0, 1, 2], arms = 2): Results {
  return {
    format: "ditlab-results/2",
    version: "0.1.0",
    createdAt: "2026-11-23T06:35:00.000Z",
    dataset: "MNIST",
    scale: "laptop",
    seeds: [...seeds],
    arms: ARMS.slice(0, arms).map((arm) => {
      const { name, label, phrase } = arm;
      return { name, label, phrase, runs: seeds.map((seed) => run(arm, seed)) };
    }),
    realImages: { frechet: 1.31, inceptionScore: 9.71, precision: 0.84, recall: 0.83 },
    realSamples: "real.png",
    ...(arms === 2 && { probeBlocks: [{ block: 2, label: "aligned block 2" }] }),
    sampleCounts: { generated: 2000, reference: 10000, probeTrain: 4000, probeTest: 2000 },
    featureNetwork: {
      name: "a small convolutional MNIST classifier",
      accuracy: 0.9912,
      featureSize: 64,
      parameters: 118_282,
    },
    settings: {
      model: { width: 192, depth: BLOCKS, heads: 3, patchSize: 4, parameters: 2_742_160 },
      training: {
        steps: STEPS,
        batchSize: 64,
        learningRate: 0.0003,
        weightDecay: 0,
        emaDecay: 0.995,
        classDropout: 0.1,
      },
      alignment: {
        studentBlock: 2,
        teacherBlock: 4,
        weight: 0.2,
        distance: "smooth-l1",
        timeGap: 0.2,
        projectionHead: true,
      },
      sampling: { sampler: "Heun", steps: 25, guidanceScale: 1 },
    },
    machine: {
      cpu: "AMD EPYC 9654",
      cores: 2,
      memoryGiB: 15.6,
      os: "Linux 6.1",
      node: "20.20.2",
      onnxruntime: "1.30.0",
    },
    seconds: {
      data: 2.1,
      featureNetwork: 41.3,
      training: 1813,
      sampling: 402,
      metrics: 66,
      probes: 215,
      total: 2541,
    },
  };
}

/** A grid of grey blobs that stand for digits, as PNG. */
export async function syntheticGrid(seed: number, blur: number): Promise<Buffer> {
  const cell = 28;
  const across = 8;
  const next = uniform(seed);
  const digits = Array.from({ length: across * across }, (_, i) => {
    const [x, y] = [(i % across) * cell + cell / 2, Math.floor(i / across) * cell + cell * 0.78];
    const angle = (next() - 0.5) * 30;
    return `<text x="${x}" y="${y}" transform="rotate(${angle} ${x} ${y - 8})">${Math.floor(next() * 10)}</text>`;
  });
  const size = cell * across;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}"><rect width="100%" height="100%"/><g fill="#fff" font-family="sans-serif" font-size="22" text-anchor="middle">${digits.join("")}</g></svg>`;
  const image = sharp(Buffer.from(svg)).removeAlpha().greyscale();
  return (blur > 0 ? image.blur(blur) : image).png().toBuffer();
}

/** Writes `results.json` and its pictures into a folder; returns the path of `results.json`. */
export async function writeSynthetic(folder: string, results: Results): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const arm of results.arms)
    for (const entry of arm.runs)
      await writeFile(
        join(folder, entry.samples),
        await syntheticGrid(entry.seed + 1, arm.name === "baseline" ? 0.8 : 0.5),
      );
  await writeFile(join(folder, results.realSamples), await syntheticGrid(99, 0));
  const path = join(folder, "results.json");
  await writeFile(path, JSON.stringify(results));
  return path;
}

/** The page without the plotly library inside it, to search in. */
export function withoutLibrary(page: string): string {
  return page.replace(/(id="plotly-source">)[A-Za-z0-9+/=]+/, "$1");
}

/** The text of the page's figures, which is JSON. */
export function figureTextOf(page: string): string {
  return /<script type="application\/json" id="figures">(.*?)<\/script>/s.exec(page)?.[1] ?? "";
}
