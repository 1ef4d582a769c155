/** Which runs experiments need: each once, whichever rows, tables and figures share it. */
import { fingerprint } from "../fingerprint.ts";
import type { TrainConfig } from "../train/config.ts";
import type { Cell, Experiment, ModelSetting } from "./experiment.ts";

/** Shares of the training after which a run is evaluated that curves and probes are read of; others are at their end. */
const CURVE_SHARES = [0.25, 0.5, 0.75, 1] as const;
export const stepAt = (steps: number, share: number): number => Math.round(share * steps);

/** Seconds of a setting's step. */
export type SecondsOf = (setting: ModelSetting) => number;

/** The step that a setting comes to in the time that a model without a method takes for all of its own. */
export function equalTimeStep(setting: ModelSetting, steps: number, secondsOf: SecondsOf): number {
  const { family, size } = setting;
  const share = Math.min(1, secondsOf({ family, size }) / secondsOf(setting));
  return Math.max(1, Math.floor(share * steps));
}

/** Steps after which a run is evaluated, ascending, the last of them its end. */
export function evaluatedSteps(
  { setting, isFollowed }: Pick<PlannedRun, "setting" | "isFollowed">,
  steps: number,
  secondsOf: SecondsOf,
): number[] {
  const timed = setting.isTimed ? [equalTimeStep(setting, steps, secondsOf)] : [];
  const shares = isFollowed ? CURVE_SHARES : [1];
  return [...new Set([...timed, ...shares.map((share) => stepAt(steps, share))])].sort((a, b) => a - b);
}

/** From a setting and a seed to its training. */
export type ConfigOf = (setting: ModelSetting, seed: number) => TrainConfig;

/** One training, with whatever seed. */
export interface PlannedRun {
  /** Begins the names of its folders, `<name>-seed<seed>`: what it is, and a hash of its config. */
  readonly name: string;
  readonly setting: ModelSetting;
  /** Experiments and rows that read it. */
  readonly rows: readonly string[];
  /**
   * Whether it is evaluated on the way, and its blocks are probed: models without a method, and SRA as the paper chose it,
   * but no text-to-image model, which no figure looks into.
   * Not for what is asked of it now: it need not be trained again for another figure.
   */
  readonly isFollowed: boolean;
}

/** What of a config identifies a training, but for its seed. */
const contentOf = (config: TrainConfig): string => JSON.stringify({ ...config, seed: 0 });

/** What a training is, in a few words: the same for settings that are trained alike. */
function slugOf({ family, size, isTimed }: ModelSetting, { methods, emaDecay }: TrainConfig): string {
  const helped = methods.map((config) =>
    config.method === "sra" ? `sra-${config.studentBlock}-${config.teacherBlock}` : config.method,
  );
  const average = emaDecay === 0 ? ["none"] : typeof emaDecay === "number" ? [] : ["rising"];
  const model = family === "MMDiT" ? [family] : [family, size];
  return [...model, ...helped, ...average, ...(isTimed ? ["timed"] : [])].join("-").toLowerCase();
}

/** The name of a setting's runs: the same for settings that are trained and measured alike. */
export const runNames =
  (configOf: ConfigOf) =>
  (setting: ModelSetting): string => {
    const config = configOf(setting, 0);
    return `${slugOf(setting, config)}-${fingerprint([contentOf(config)], 6)}`;
  };

/** Cells that trainings answer: costs are measured without one. */
export const isTrained = ({ reading }: Cell): boolean => "share" in reading;

/** The runs of some experiments, in the order in which rows first need them. */
export function runsOf(experiments: readonly Experiment[], configOf: ConfigOf): PlannedRun[] {
  const nameOf = runNames(configOf);
  const runs = new Map<string, { setting: ModelSetting; rows: Set<string> }>();
  for (const { id, rows, pictures = [] } of experiments) {
    const wanted = [
      ...rows.flatMap((row) => row.cells.filter(isTrained).map(({ setting }) => ({ row: row.id, setting }))),
      ...pictures.map(({ id: row, setting }) => ({ row, setting })),
    ];
    for (const { row, setting } of wanted) {
      const name = nameOf(setting);
      const found = runs.get(name) ?? { setting, rows: new Set() };
      runs.set(name, found);
      found.rows.add(`${id} ${row}`);
    }
  }
  const isFollowed = ({ family, size }: ModelSetting, name: string): boolean =>
    family !== "MMDiT" &&
    [undefined, "paper" as const].some((sra) => nameOf({ family, size, ...(sra && { sra }) }) === name);
  return [...runs].map(([name, { setting, rows }]) => ({
    name,
    setting,
    rows: [...rows],
    isFollowed: isFollowed(setting, name),
  }));
}
