/** What a comparison is of. */
import type { Dataset } from "../data/index.ts";
import type { TrainConfig } from "../train/index.ts";
import type { Scale } from "./presets.ts";
import type { Reporter } from "./reporter.ts";
import type { ProbeBlock } from "./results.ts";

/** One of the things that are compared. */
export interface Arm {
  /** Begins the names of its runs' folders, `<name>-seed<seed>`: letters, digits, `-` and `_`. */
  readonly name: string;
  /** As shown beside a plot. */
  readonly label: string;
  /** Inside a sentence, for example `the baseline`. Default: the label. */
  readonly phrase?: string;
  /** Its training with one seed: the same for every seed, but for that. */
  config(seed: number): TrainConfig;
}

export interface ComparisonOptions {
  folder: string;
  dataset: Dataset;
  /** One or more; the first is what each other one is set against first. */
  arms: readonly Arm[];
  /** Blocks whose probe accuracy is compared by itself. */
  probeBlocks?: readonly ProbeBlock[];
  scaleName: string;
  /** The seeds, and how every arm is evaluated; what a network of this scale looks like is the arms' matter. */
  scale: Scale;
  /** Go on with what an interrupted comparison left; otherwise what an earlier one made is removed first. */
  resume?: boolean;
  signal?: AbortSignal;
  reporter: Reporter;
}
