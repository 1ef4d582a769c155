/** Which runs experiments need: each once, whichever rows, tables and figures share it. */
import { fingerprint } from "../fingerprint.ts";
import type { TrainConfig } from "../train/config.ts";
import type { Cell, Experiment, Setting } from "./experiment.ts";

/** Shares of the training after which a run is evaluated that curves and probes are read of; others are at their end. */
const CURVE_SHARES = [0.25, 0.5, 0.75, 1] as const;
export const evaluatedShares = ({ isFollowed }: Pick<PlannedRun, "isFollowed">): readonly number[] =>
  isFollowed ? CURVE_SHARES : [1];
export const stepAt = (steps: number, share: number): number => Math.round(share * steps);

/** From a setting and a seed to its training. */
export type ConfigOf = (setting: Setting, seed: number) => TrainConfig;

/** One training, with whatever seed. */
export interface PlannedRun {
  /** Begins the names of its folders, `<name>-seed<seed>`: what it is, and a hash of its config. */
  readonly name: string;
  readonly setting: Setting;
  /** Experiments and rows that read it. */
  readonly rows: readonly string[];
  /**
   * Whether it is evaluated on the way, and its blocks are probed: models without a method, and SRA as the paper chose it.
   * Not for what is asked of it now: it need not be trained again for another figure.
   */
  readonly isFollowed: boolean;
}

/** What of a config identifies a training, but for its seed. */
const contentOf = (config: TrainConfig): string => JSON.stringify({ ...config, seed: 0 });

const slugOf = ({ family, size, sra, average, method }: Setting): string => {
  const layers = sra && sra !== "paper" ? `-${sra.layers.join("-")}` : "";
  const help = method ?? (sra ? `sra${layers}` : undefined);
  return [family, size, help, average === "slow" ? undefined : average]
    .filter((part) => part !== undefined)
    .join("-")
    .toLowerCase();
};

/** The name of a setting's runs: the same for settings that are trained alike. */
export function runNames(configOf: ConfigOf): (setting: Setting) => string {
  const names = new Map<string, string>();
  return (setting) => {
    const content = contentOf(configOf(setting, 0));
    const name = names.get(content) ?? `${slugOf(setting)}-${fingerprint([content], 6)}`;
    names.set(content, name);
    return name;
  };
}

/** Cells that trainings answer: costs are measured without one. */
export const isTrained = ({ reading }: Cell): boolean => ["fid", "is", "probe"].includes(reading.of);

/** The runs of some experiments, in the order in which rows first need them. */
export function runsOf(experiments: readonly Experiment[], configOf: ConfigOf): PlannedRun[] {
  const nameOf = runNames(configOf);
  const runs = new Map<string, { setting: Setting; rows: Set<string> }>();
  for (const { id, rows } of experiments)
    for (const row of rows)
      for (const { setting } of row.cells.filter(isTrained)) {
        const name = nameOf(setting);
        const found = runs.get(name) ?? { setting, rows: new Set() };
        runs.set(name, found);
        found.rows.add(`${id} ${row.id}`);
      }
  const isFollowed = ({ family, size }: Setting, name: string): boolean =>
    [undefined, "paper" as const].some((sra) => nameOf({ family, size, ...(sra && { sra }) }) === name);
  return [...runs].map(([name, { setting, rows }]) => ({
    name,
    setting,
    rows: [...rows],
    isFollowed: isFollowed(setting, name),
  }));
}
