/** Traced functions, planned and run as kernels on a GPU. */
import { flattenTree } from "../../../tensor/tree.ts";
import { heldArray, hostNumbers, isOnHost, type Memory, newBuffer, tensorOver } from "../../buffers.ts";
import { flopsOf } from "../../flops.ts";
import { written } from "../../lower.ts";
import { memoryOf } from "../../memory.ts";
import type { ProductDevice } from "../../plan/forms.ts";
import { inParts } from "../../plan/parts.ts";
import type { PlanOptions } from "../../plan/plan.ts";
import { type Precision, type StorageFormat, storageOf } from "../../plan/precision.ts";
import { isRounds, type Section } from "../../plan/sections.ts";
import { styleFor } from "../../plan/style.ts";
import { planSummary } from "../../plan/summary.ts";
import { planProgram } from "../../plan/traced.ts";
import { partOf, type RecordedRun, shapesText } from "../../profile.ts";
import type { CompileOptions, Place, Program, ProgramStats, Target, Traced } from "../../program.ts";
import type { Leaf } from "../../structure.ts";
import { type Device, type KernelTime, newTimer, type Timer } from "./device.ts";
import { KERNELS, writtenFor } from "./dialect.ts";
import { type Environment, newEnvironment } from "./environment.ts";
import { copied, runnerOf } from "./run.ts";
import { type ReadySection, readySection } from "./section.ts";
import { tuneProducts } from "./tuner.ts";
import { withTuning } from "./tuning.ts";

/** What a plan depends on of a device. */
export type PlannedFor = Pick<
  Device,
  "language" | "products" | "matrices" | "tuning" | "maxBuffers" | "hasHalf"
>;

/** How products are computed in a precision. */
function productsOf(
  { products, matrices: offered, tuning }: PlannedFor,
  precision: Precision,
): ProductDevice {
  if (precision === "float32") return withTuning(products, tuning);
  if (precision === "tf32")
    return withTuning({ ...products, ...(products.library && { library: precision }) }, tuning);
  const matrices = offered.find(({ format }) => format === precision) ?? offered[0];
  const { library, ...own } = products;
  // An older card has no products of its library in this format either.
  const isOffered = library !== undefined && matrices?.format === precision;
  return withTuning({ ...own, ...(isOffered && { library }), ...(matrices && { matrices }) }, tuning);
}

function planOptions(device: PlannedFor, precision: Precision): PlanOptions {
  const products = productsOf(device, precision);
  return {
    style: styleFor(device.language, products),
    maxBuffers: device.maxBuffers,
    storage: device.hasHalf ? storageOf(precision) : "float32",
  };
}

/** What is in use of a precision. */
function usedOf(device: PlannedFor, precision: Precision, storage: StorageFormat): ProgramStats["precision"] {
  const { matrices, library } = productsOf(device, precision);
  // A library multiplies numbers as they lie.
  return {
    storage,
    products: library && storage !== "float32" ? storage : (matrices?.format ?? library ?? "float32"),
  };
}

/** Plans a function that is written in the dialect of kernels, and compiles it. */
async function compileTraced(
  device: Device,
  traced: Traced,
  leaves: readonly Leaf[],
  donated: readonly boolean[],
  { precision, cache }: Pick<CompileOptions, "precision" | "cache">,
  timer?: Timer,
): Promise<Program> {
  const start = performance.now();
  const options = planOptions(device, precision);
  const { steps, plans, places } = planProgram(traced, leaves, donated, options);
  const planned = performance.now();
  const ready = new Map<Section, ReadySection>();
  for (const [section, plan] of plans) ready.set(section, await readySection(device, section, plan, cache));
  const run = runnerOf(device, ready, timer);
  const positions = new Map(leaves.map(({ name }, i) => [name, i]));
  const feeds = traced.live.inputs.map((value) => ({ value, leaf: positions.get(value.name)! }));
  const leafOf = new Map(feeds.map(({ value, leaf }) => [value, leaf]));
  const returned = places.flatMap(({ leaf, computed }) => (computed || leaf === undefined ? [] : [leaf]));
  const stats = {
    nodes: traced.live.nodes.length,
    traceSeconds: 0,
    compileSeconds: (performance.now() - start) / 1000,
    encodeSeconds: (planned - start) / 1000,
    cached: false,
    calls: 0,
    inPlace: steps.reduce((sum, step) => sum + (isRounds(step) ? 0 : plans.get(step)!.over.size), 0),
    overwritten: 0,
    precision: usedOf(device, precision, options.storage!),
  };
  return {
    stats,
    reads: [...new Set([...feeds.map(({ leaf }) => leaf), ...returned])],
    async run(numbers, { owned, written }) {
      const environment = newEnvironment();
      try {
        for (const { value, leaf } of feeds) environment.set(value, numbers.get(leaf)!);
        await run(steps, environment, (value, memory) => {
          const leaf = leafOf.get(value);
          const isOwn = leaf !== undefined && owned.get(leaf)?.data === memory;
          if (isOwn) written.add(memory);
          return isOwn;
        });
        stats.calls++;
        stats.overwritten += written.size;
        return traced.rebuild(resultsOf(device, places, environment, numbers, owned));
      } finally {
        environment.release();
      }
    },
    release(): void {
      for (const section of ready.values()) section.release();
    },
  };
}

/** The tensors of a program's results. */
function resultsOf(
  device: Device,
  places: readonly Place[],
  environment: Environment,
  numbers: ReadonlyMap<number, Memory>,
  owned: Parameters<Program["run"]>[1]["owned"],
) {
  const seen = new Set<unknown>();
  return places.map(({ value, leaf, computed }) => {
    if (!computed) {
      const memory = numbers.get(leaf!)!;
      // Others may hold what is not the call's own.
      return tensorOver(owned.get(leaf!) ?? newBuffer(memory, true), value);
    }
    const memory = environment.get(value);
    // An argument that comes back, or a result that is asked for twice, is a copy.
    const isShared = isOnHost(memory) || !value.node || seen.has(memory.handle);
    const array = isShared ? copied(device, value, memory) : memory;
    seen.add(array.handle);
    return tensorOver(newBuffer(array), value);
  });
}

/** Runs a function with each kernel between two looks at the device's clock. */
async function record(
  device: Device,
  traced: Traced,
  leaves: readonly Leaf[],
  numbers: ReadonlyMap<number, Memory>,
  { runs, precision }: { runs: number; precision: Precision },
): Promise<RecordedRun[]> {
  const timer = newTimer(device);
  const graph = writtenFor(productsOf(device, precision), traced);
  const given = leaves.map(() => false);
  const program = await compileTraced(device, graph, leaves, given, { precision, cache: false }, timer);
  const recorded: RecordedRun[] = [];
  const results = graph.outputs.map(({ value }) => value);
  try {
    for (let i = 0; i < runs; i++) {
      const result = await program.run(numbers, { owned: new Map(), written: new Set() });
      for (const { tensor } of flattenTree(result)) tensor.dispose();
      const events = (await timer.read()).map(eventOf);
      recorded.push({ events, memory: () => memoryOf(graph.live.inputs, graph.live.nodes, results) });
    }
  } finally {
    program.release();
  }
  return recorded;
}

function eventOf({ kernel: { node, label }, seconds }: KernelTime): RecordedRun["events"][number] {
  const inputs = node?.inputs.map(({ shape }) => shape) ?? [];
  return {
    part: partOf(node?.scope ?? ""),
    operator: label,
    seconds,
    flops: node ? flopsOf(node.op, inputs, node.outputs[0].shape) : 0,
    shapes: shapesText(inputs),
  };
}

/** A target of devices that are opened by `open`. */
export const plannedTarget = (
  name: string,
  {
    open,
    devicesLost,
    shown,
  }: {
    open(): Promise<Device>;
    /** How many have been lost so far. */
    devicesLost(): number;
    /** What is shown of a plan where no device is asked. */
    shown: PlannedFor;
  },
): Target => ({
  name,
  dialect: KERNELS,
  async numbersOf({ tensor }: Leaf): Promise<Memory> {
    // Held until the call is over: the caller may dispose its tensors while it is under way.
    const array = heldArray(tensor);
    if (!array) return hostNumbers(tensor);
    try {
      if (array.device === (await open())) return array;
      const numbers = await array.read();
      array.release();
      return numbers;
    } catch (error) {
      array.release();
      throw error;
    }
  },
  generation: devicesLost,
  async compile(trace, leaves, donated, { precision, cache }) {
    const start = performance.now();
    const device = await open();
    const products = productsOf(device, precision);
    const neutral = written(await trace(), KERNELS);
    const traceSeconds = (performance.now() - start) / 1000;
    const tuned = performance.now();
    await tuneProducts(device, products, neutral.live, cache);
    const tuneSeconds = (performance.now() - tuned) / 1000;
    const traced = written(neutral, inParts(products));
    const program = await compileTraced(device, traced, leaves, donated, { precision, cache });
    program.stats.traceSeconds = traceSeconds;
    program.stats.compileSeconds += tuneSeconds;
    return program;
  },
  record: async (traced, leaves, numbers, options) => record(await open(), traced, leaves, numbers, options),
  summary(traced, leaves, donated, precision) {
    const parted = written(traced, inParts(shown.products));
    return planSummary(parted.live, planProgram(parted, leaves, donated, planOptions(shown, precision)));
  },
});
