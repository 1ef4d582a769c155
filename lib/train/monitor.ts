/**
 * What becomes of a network's features while it trains, looked at on the same few samples each time: how long they are in
 * each block, and how near the student's are to what a method draws them to.
 */
import { meanCosine } from "../align/distances.ts";
import type { Batch } from "../align/method.ts";
import type { TrainingData } from "../data/index.ts";
import { jit } from "../jit/index.ts";
import { scheduleAt } from "../optim/schedules.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { disposeTree } from "../tensor/tree.ts";
import { batchSource } from "./batches.ts";
import type { Metrics } from "./checkpoint.ts";
import type { TrainConfig } from "./config.ts";
import { targetsOf, toldCondition } from "./losses.ts";
import type { StudentAndTeacher, TrainState } from "./step.ts";
import { lossNames, type Task } from "./task.ts";

/** A line of `monitor.jsonl`; lists have a number for each block, the first block's first. */
export interface MonitorEntry {
  /** Steps done. */
  step: number;
  /** Mean length (L2 norm) of a token in the student, and in the moving average. */
  studentNorms: number[];
  averageNorms: number[];
  /** Mean cosine of the student's tokens and a method's targets, by the method's name, where those are tokens of its width. */
  similarity: Record<string, number[]>;
  /** What part of the whole loss each method's is by its weight, by size: from 0 to 1. */
  shares: Record<string, number>;
}

export interface Monitor {
  /** Looks at a state after a step that had these metrics. */
  look(step: number, state: TrainState, metrics: Metrics): Promise<MonitorEntry>;
  dispose(): Promise<void>;
}

/** Samples that are looked at: enough for a mean over tokens, few enough not to be felt. */
const SAMPLES = 8;

/** What the methods' losses are of the whole, by their weights at a step (from 0). */
export function sharesOf(
  task: Pick<Task, "methods">,
  metrics: Metrics,
  step: number,
): Record<string, number> {
  const sizes = lossNames(task).map((name, i): [string, number] => [
    name,
    Math.abs(scheduleAt(task.methods[i].weight, step) * metrics[name]),
  ]);
  const whole = sizes.reduce((sum, [, size]) => sum + size, Math.abs(metrics.generative));
  return Object.fromEntries(sizes.map(([name, size]) => [name, whole > 0 ? size / whole : 0]));
}

const meanLength = (tokens: Tensor): Tensor => tf.mean(tf.norm(tokens, "euclidean", 2));

/** [blocks] for the student, for the moving average, and for each method whose targets are tokens. */
function lookedAt(
  task: Task,
  { params, ema, frozen }: StudentAndTeacher,
  batch: Batch,
): Record<string, Tensor> {
  const { network, process, methods } = task;
  const taps = Array.from({ length: network.depth }, (_, i) => i + 1);
  const input = process.noised(batch);
  const [student, average] = [params, { ...params, ...ema }].map((weights) =>
    network.features(weights, input, batch.t, toldCondition(network, batch, weights), { taps }),
  );
  const found: Record<string, Tensor> = {
    student: tf.stack(student.map(meanLength)),
    average: tf.stack(average.map(meanLength)),
  };
  const targets = targetsOf(task, ema, batch, frozen);
  for (const [i, name] of lossNames({ methods }).entries()) {
    const [target] = targets[i];
    if (target && `${target.shape}` === `${student[0].shape}`)
      found[`method ${name}`] = tf.stack(student.map((tokens) => meanCosine(tokens, target)));
  }
  return found;
}

/** The monitor of a run: its samples are the first that the run sees, with their noise and times. */
export function createMonitor(task: Task, config: TrainConfig, data: TrainingData): Monitor {
  const look = jit((weights: StudentAndTeacher, batch: Batch) => lookedAt(task, weights, batch), {
    name: "monitor",
  });
  const source = batchSource(
    data,
    { ...config, batchSize: Math.min(SAMPLES, config.batchSize), steps: 1 },
    { task },
  );
  let batch: Promise<Batch> | undefined;
  return {
    async look(step, { params, ema, frozen }, metrics) {
      batch ??= source(0);
      const made = await look({ params, ema, ...(frozen && { frozen }) }, await batch);
      const read = async (tensor: Tensor): Promise<number[]> => Array.from(await tensor.data());
      const similarity: Record<string, number[]> = {};
      for (const [name, tensor] of Object.entries(made))
        if (name.startsWith("method ")) similarity[name.slice("method ".length)] = await read(tensor);
      const entry: MonitorEntry = {
        step,
        studentNorms: await read(made.student),
        averageNorms: await read(made.average),
        similarity,
        shares: sharesOf(task, metrics, step - 1),
      };
      disposeTree(made);
      return entry;
    },
    async dispose() {
      disposeTree(await batch?.catch(() => undefined));
      await source.dispose();
      await look.dispose();
    },
  };
}

/** Lines whose median stands for one time: single ones jump. */
const WINDOW = 5;
/** How far a loss may rise above its lowest before that is no accident. */
const GROWN = 1.5;

const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];

/** What a median of lines says of one time. */
interface Point {
  step: number;
  loss: number;
  /** Of a token in the block that is drawn. */
  norm: number;
}

/**
 * Where a loss was lowest, if it has grown since for good: as many steps later as there were before, and never back in the
 * later half of them. Soon after the start losses rise and fall again, while features that are no more alike take shape.
 */
function lowestBeforeGrowth(points: readonly Point[]): Point | undefined {
  const lowest = points.reduce((low, one) => (one.loss < low.loss ? one : low));
  const now = points[points.length - 1];
  if (lowest.loss <= 0 || now.step < 2 * lowest.step) return undefined;
  const later = points.filter(({ step }) => step >= (lowest.step + now.step) / 2);
  return later.every(({ loss }) => loss > GROWN * lowest.loss) ? lowest : undefined;
}

/**
 * Watches the loss of each method for a lasting rise, as the authors of SRA saw smooth-l1's late in training. The sentence,
 * once for each method: where the loss was lowest, where it is, and what the tokens' lengths did meanwhile.
 */
export function growthWatch(task: Pick<Task, "methods">) {
  const history = new Map<string, Point[]>();
  const told = new Set<string>();
  return (metrics: Metrics, { step, studentNorms }: MonitorEntry): string[] => {
    const sentences: string[] = [];
    for (const [i, name] of lossNames(task).entries()) {
      const [tap = studentNorms.length] = task.methods[i].taps;
      const lines = history.get(name) ?? [];
      history.set(name, lines);
      lines.push({ step, loss: metrics[name], norm: studentNorms[tap - 1] });
      if (told.has(name) || lines.length < 2 * WINDOW) continue;
      const windows = lines.slice(WINDOW - 1).map((line, at) => ({
        ...line,
        loss: middle(lines.slice(at, at + WINDOW).map(({ loss }) => loss)),
      }));
      const lowest = lowestBeforeGrowth(windows);
      if (!lowest) continue;
      const now = windows[windows.length - 1];
      told.add(name);
      const [from, to] = [lowest.norm, now.norm].map((norm) => norm.toPrecision(3));
      sentences.push(
        `the loss of ${name} grows: ${lowest.loss.toPrecision(3)} at step ${lowest.step}, ${now.loss.toPrecision(3)} at step ${step}, while a token of block ${tap} went from a length of ${from} to ${to}; ` +
          "with a distance that has no bound on lengths, as smooth-l1, this is known to happen late in training, and the cosine does not have it (sra-cosine)",
      );
    }
    return sentences;
  };
}
