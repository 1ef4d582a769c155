/** What a run writes as it goes: `metrics.jsonl`, `monitor.jsonl`, TensorBoard events, checkpoints and grids of samples. */
import { join } from "node:path";
import type { TrainingData } from "../data/index.ts";
import { appendJsonLine, truncateJsonLines } from "../io/index.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { type Checkpoint, type Metrics, writeCheckpoint } from "./checkpoint.ts";
import type { TrainConfig } from "./config.ts";
import { createMonitor, growthWatch, type MonitorEntry } from "./monitor.ts";
import { type Decode, sampleGrids, samplesPath } from "./sample-grids.ts";
import type { TrainState } from "./step.ts";
import type { Task } from "./task.ts";
import { openEventFile } from "./tensorboard.ts";

/** One line of metrics.jsonl: means over the steps since the line before. */
export type LogEntry = Metrics & {
  /** Steps done. */
  step: number;
  /** Median seconds of a step. */
  stepSeconds: number;
  /** Processes that made it, where there were several. */
  ranks?: number;
};

export interface Recorder {
  /** Where the last checkpoint lies. */
  checkpoint: string | undefined;
  /** Adds a step's metrics; writes a line where one is due, and looks at the state then. */
  log(step: number, metrics: Metrics, seconds: number, state: TrainState): Promise<void>;
  /** Draws the grid that is due. */
  draw(step: number, state: TrainState): Promise<void>;
  /** Writes a checkpoint, unless the last one is of this step. */
  save(step: number, state: TrainState): Promise<void>;
  close(): Promise<void>;
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const isLogged = ({ logEvery, steps }: TrainConfig, step: number): boolean =>
  step % logEvery === 0 || step === steps;
const isDrawn = ({ sampleEvery }: TrainConfig, step: number): boolean =>
  sampleEvery !== undefined && step % sampleEvery === 0;

/** Whether a step is one whose state a recorder looks at. */
export const looksAt = (config: TrainConfig, step: number): boolean =>
  isLogged(config, step) || isDrawn(config, step);

interface RecordOptions {
  data: TrainingData;
  generator01?: RandomGenerator;
  decode?: Decode;
  /** Processes that make each step together. */
  ranks?: number;
  onWarning?: (message: string) => void;
}

/** Records a run in its folder, from where it starts. */
export async function recordRun(
  folder: string,
  task: Task,
  config: TrainConfig,
  { start, path }: { start: Checkpoint; path?: string },
  { data, generator01, decode, ranks = 1, onWarning }: RecordOptions,
): Promise<Recorder> {
  const grids = sampleGrids(task.network, config, data, decode);
  const monitor = createMonitor(task, config, data);
  const grown = growthWatch(task);
  const [metricsPath, monitorPath] = ["metrics", "monitor"].map((name) => join(folder, `${name}.jsonl`));
  for (const file of [metricsPath, monitorPath])
    await truncateJsonLines<LogEntry | MonitorEntry>(file, (entry) => entry.step <= start.step);
  const events = await openEventFile(folder);
  let pending = [...(start.pending ?? [])];
  let savedAt = path === undefined ? undefined : start.step;
  const recorder: Recorder = {
    checkpoint: path,
    async log(step, metrics, seconds, state) {
      pending.push({ metrics, seconds });
      if (!isLogged(config, step)) return;
      const curves = {
        ...meansOf(pending.map((one) => one.metrics)),
        stepSeconds: median(pending.map((one) => one.seconds)),
      };
      pending = [];
      await appendJsonLine(metricsPath, { step, ...curves, ...(ranks > 1 && { ranks }) });
      for (const [name, value] of Object.entries(curves)) events.scalar(`train/${name}`, value, step);
      const seen = await monitor.look(step, state, curves);
      await appendJsonLine(monitorPath, seen);
      for (const [name, value] of monitorCurves(seen)) events.scalar(`monitor/${name}`, value, step);
      for (const sentence of grown(curves, seen)) onWarning?.(sentence);
      await events.flush();
    },
    async draw(step, state) {
      if (grids && isDrawn(config, step)) await grids.write(state.ema, samplesPath(folder, step));
    },
    async save(step, state) {
      if (savedAt === step) return;
      recorder.checkpoint = await writeCheckpoint(join(folder, "checkpoints"), {
        step,
        state,
        generator01: generator01?.state(),
        config,
        data: start.data,
        own: start.own,
        pending,
      });
      savedAt = step;
    },
    async close() {
      await events.close();
      await grids?.dispose();
      await monitor.dispose();
    },
  };
  return recorder;
}

/** The numbers of a look by name, a curve each. */
const monitorCurves = ({
  studentNorms,
  averageNorms,
  similarity,
  shares,
}: MonitorEntry): [string, number][] => {
  const byBlock = (name: string, values: readonly number[]): [string, number][] =>
    values.map((value, i) => [`${name}/block-${i + 1}`, value]);
  return [
    ...byBlock("norm", studentNorms),
    ...byBlock("norm-average", averageNorms),
    ...Object.entries(similarity).flatMap(([name, values]) => byBlock(`similarity-${name}`, values)),
    ...Object.entries(shares).map(([name, value]): [string, number] => [`share/${name}`, value]),
  ];
};

/** What a number is after several steps, where that is no mean. */
const LAST = ["lossScale", "skippedSteps"];

const meansOf = (entries: readonly Metrics[]): Metrics =>
  Object.fromEntries(
    Object.keys(entries[0]).map((name) => {
      const values = entries.map((entry) => entry[name]);
      return [name, LAST.includes(name) ? values.at(-1)! : mean(values)];
    }),
  );
