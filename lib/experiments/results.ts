/** The shape of `results.json`: everything the report shows, and nothing it has to compute from tensors. */
import type { CaptionAgreement, SampleMetrics } from "../metrics/index.ts";

export type { SampleMetrics };

/** Accuracy (0 to 1) of a linear probe on each block's features at one noise level. */
export interface ProbeResult {
  /** Time of the noised input, 0 (data) to 1 (noise). */
  timestep: number;
  /** One accuracy per block, block 1 first. */
  accuracy: number[];
}

/** What was measured of one run at one training step. */
export interface Evaluation {
  step: number;
  metrics: SampleMetrics;
  probe: ProbeResult[];
  /** Of captioned pictures. */
  facts?: CaptionAgreement;
}

/** Training losses by name, `generative` and that of each method, one entry per logged step. */
export interface LossCurve {
  step: number[];
  losses: Record<string, number[]>;
}

/** One training run: one arm with one seed. */
export interface RunResult {
  seed: number;
  curve: LossCurve;
  evaluations: Evaluation[];
  /** PNG grid of samples, relative to the results file. */
  samples: string;
  /** Wall-clock seconds of the training steps alone. */
  trainSeconds: number;
  /** Median seconds of one training step. */
  stepSeconds: number;
}

export interface ArmResult {
  /** Begins the names of its runs' folders, `<name>-seed<seed>`. */
  name: string;
  /** As shown beside a plot, for example `SiT + SRA (2 -> 6)`. */
  label: string;
  /** Inside a sentence, for example `the baseline`. */
  phrase: string;
  runs: RunResult[];
}

/** The classifier whose features stand in for Inception's at this scale. */
export interface FeatureNetwork {
  name: string;
  /** Test accuracy, 0 to 1. */
  accuracy: number;
  featureSize: number;
  parameters: number;
}

/** A block whose probe accuracy is compared by itself, beside the mean and the best of all blocks. */
export interface ProbeBlock {
  /** Counted from 1. */
  block: number;
  /** Inside a sentence, for example `aligned block 2`. */
  label: string;
  /** What the comparison was made to find out, chosen before its seeds were run: chance is counted for the rest alone. */
  planned?: boolean;
}

export interface Results {
  format: "ditlab-results/2";
  version: string;
  createdAt: string;
  dataset: string;
  scale: string;
  seeds: number[];
  /** In the order in which they are compared: the first is what each other one is set against first. */
  arms: ArmResult[];
  probeBlocks?: ProbeBlock[];
  /** The same metrics for held-out real images: the best value that samples could reach at this sample size. */
  realImages: SampleMetrics;
  /** Grid of real images, relative to the results file. */
  realSamples: string;
  /** How many images each metric used. */
  sampleCounts: { generated: number; reference: number; probeTrain: number; probeTest: number };
  featureNetwork: FeatureNetwork;
  /** Plain settings as nested name -> value, shown as a table. */
  settings: Record<string, Record<string, string | number | boolean>>;
  machine: {
    cpu: string;
    cores: number;
    memoryGiB: number;
    os: string;
    node: string;
    onnxruntime: string;
    /** What it ran on, where that was no processor. */
    gpu?: string;
  };
  /** Wall-clock seconds by phase; `total` is the whole command. */
  seconds: Record<string, number>;
}
