/**
 * Products are timed on the GPU itself, each size once, in the forms that should be the fastest there. What was the fastest
 * is kept on disk, under what the GPU, its driver and the kernels are.
 */
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { fingerprint } from "../../../fingerprint.ts";
import { writeWhole } from "../../../whole.ts";
import type { DeviceArray } from "../../buffers.ts";
import { writeIn } from "../../dialect.ts";
import { createGraph, type LiveGraph, liveGraph, OWN } from "../../graph.ts";
import {
  choicesFor,
  FORMS,
  MOST_PARTS,
  matrixForms,
  memoryOf,
  type ProductChoice,
  type ProductDevice,
  type ProductSize,
} from "../../plan/forms.ts";
import { productCall } from "../../plan/library.ts";
import { inParts } from "../../plan/parts.ts";
import { makePlan } from "../../plan/plan.ts";
import { productOf } from "../../plan/products.ts";
import { type Section, stepsOf } from "../../plan/sections.ts";
import { styleFor } from "../../plan/style.ts";
import { folderOf } from "../onnxruntime/cache.ts";
import { newArray } from "./arrays.ts";
import { type Device, newTimer, type Timer } from "./device.ts";
import { type ReadySection, readySection } from "./section.ts";
import { isByMatrices, keyOf } from "./tuning.ts";

/** Part of every key: raise it when the kernels of products change. */
const FORMAT = 1;
/** Forms that are timed of each size, and how often, in turns. */
const CHOICES = 6;
const TURNS = 4;
/** A card that has been idle runs slowly at first. */
const WARM_MS = 60;

/** The file of a device's tuning in a folder. */
const fileOf = (folder: string, { identity, matrices, products }: Device): string =>
  join(
    folder,
    `${fingerprint([JSON.stringify([FORMAT, identity, matrices, products.workgroupMemory])])}.products`,
  );

/** Whether what was read is a choice that this version would make on this device. */
function isChoice(
  value: unknown,
  byMatrices: boolean,
  { matrices, products }: Device,
): value is ProductChoice {
  const { form, parts } = (value ?? {}) as Partial<ProductChoice>;
  const forms = byMatrices ? matrices.flatMap(matrixForms) : FORMS.filter(({ terms }) => terms > 0);
  const known = forms.find((one) => isDeepStrictEqual(one, form));
  return (
    known !== undefined &&
    memoryOf(known) <= products.workgroupMemory &&
    Number.isInteger(parts) &&
    parts! > 0 &&
    parts! <= MOST_PARTS
  );
}

/** Takes over what is in a file, where nothing else is known. */
async function readTuning(device: Device, file: string): Promise<void> {
  const { known } = device.tuning;
  try {
    for (const [key, choice] of Object.entries(JSON.parse(await readFile(file, "utf8"))))
      if (!known.has(key) && isChoice(choice, isByMatrices(key), device)) known.set(key, choice);
  } catch {
    // What is not there, or damaged, is measured again.
  }
}

/** The large products of a graph that kernels of ours compute, loops among them. */
function sizesOf(
  { nodes }: Pick<LiveGraph, "nodes">,
  minFlops: number,
  products: ProductDevice,
): ProductSize[] {
  return nodes.flatMap((node) => {
    if (node.body) return sizesOf(node.body, minFlops, products);
    const isProduct = node.op === "MatMul" || (node.domain === OWN && node.op === "ScaledMatMul");
    if (!isProduct || node.outputs[0].dtype !== "float32") return [];
    if (products.library && productCall(node)) return [];
    const { size } = productOf(node);
    return 2 * size.rows * size.columns * size.depth * size.batch < minFlops ? [] : [size];
  });
}

/** A product of a size, as it is computed by a choice. */
function sectionFor(size: ProductSize, device: ProductDevice): Section {
  const { rows, columns, depth, batch, transA = false, transB = false } = size;
  const graph = createGraph();
  const a = graph.input("a", [batch, ...(transA ? [depth, rows] : [rows, depth])], "float32");
  const b = graph.input("b", [batch, ...(transB ? [columns, depth] : [depth, columns])], "float32");
  const attributes = { transA: Number(transA), transB: Number(transB), alpha: { float: 1 } };
  const type = { shape: [batch, rows, columns], dtype: "float32" as const };
  const out = graph.emit("ScaledMatMul", [a, b], type, attributes, OWN);
  const { live, writtenOf } = writeIn(inParts(device), liveGraph(graph, [out]), [out]);
  return stepsOf(live.nodes, [writtenOf(out)])[0] as Section;
}

/** A way to compute a product, ready to be run. */
interface Candidate {
  choice: ProductChoice;
  ready: ReadySection;
  /** Of its fastest run. */
  seconds: number;
}

async function prepared(
  device: Device,
  products: ProductDevice,
  size: ProductSize,
  choice: ProductChoice,
  cache: boolean | string,
): Promise<Candidate> {
  const fixed = { ...products, measured: () => choice };
  const section = sectionFor(size, fixed);
  const style = styleFor(device.language, fixed);
  const plan = makePlan(section.live, [...section.outputs.values()], {
    style,
    maxBuffers: device.maxBuffers,
  });
  const ready = await readySection(device, section, plan, cache);
  return { choice, ready, seconds: Number.POSITIVE_INFINITY };
}

/** The factors of a product, by name. @throws where the GPU has no memory for them */
async function factorsOf(device: Device, size: ProductSize): Promise<Map<string, DeviceArray>> {
  const values = [...sectionFor(size, device.products).inputs.values()];
  const { value: factors, refused } = await device.attempt(
    ["out-of-memory"],
    () => new Map(values.map((value) => [value.name, newArray(device, value)])),
  );
  for (const array of factors.values()) array.retain();
  if (refused === undefined) return factors;
  for (const array of factors.values()) array.release();
  throw new Error(refused);
}

/** Runs candidates in turns, so that what else slows the device down is met by all of them. */
async function race(
  device: Device,
  factors: ReadonlyMap<string, DeviceArray>,
  candidates: readonly Candidate[],
  warmMs: number,
): Promise<void> {
  const timer = newTimer(device);
  const begin = performance.now();
  let turns = 0;
  const refused = new Set<Candidate>();
  while (turns < TURNS || performance.now() - begin < warmMs) {
    const running = candidates.filter((candidate) => !refused.has(candidate));
    if (running.length === 0) return;
    for (const candidate of running) {
      const seconds = await timeOf(device, candidate, factors, timer);
      // Its clock does not run where the GPU has refused the work.
      if (!(seconds > 0)) refused.add(candidate);
      // The first turn meets cold memory.
      else if (turns > 0) candidate.seconds = Math.min(candidate.seconds, seconds);
    }
    turns++;
  }
  for (const candidate of refused) candidate.seconds = Number.POSITIVE_INFINITY;
}

/** Seconds that a candidate takes; 0 where the GPU refuses it, which is nobody else's error. */
async function timeOf(
  device: Device,
  { ready }: Candidate,
  factors: ReadonlyMap<string, DeviceArray>,
  timer: Timer,
): Promise<number> {
  const outcome = await device
    .attempt(["validation", "out-of-memory"], () =>
      ready.run(
        ({ name }) => factors.get(name)!,
        () => false,
        timer,
      ),
    )
    .catch(() => undefined);
  if (!outcome) return 0;
  const { value: made, refused } = outcome;
  for (const array of made.values()) {
    array.retain();
    array.release();
  }
  const kernels = await timer.read();
  return refused === undefined ? kernels.reduce((sum, { seconds }) => sum + seconds, 0) : 0;
}

/** The fastest of the likely choices for a size. @throws where none could be timed */
async function fastest(
  device: Device,
  products: ProductDevice,
  size: ProductSize,
  cache: boolean | string,
  warmMs: number,
): Promise<ProductChoice> {
  const choices = choicesFor(size, products).slice(0, CHOICES);
  if (choices.length === 1) return choices[0];
  const factors = await factorsOf(device, size);
  const made = await Promise.allSettled(
    choices.map((choice) => prepared(device, products, size, choice, cache)),
  );
  const candidates = made.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  try {
    await race(device, factors, candidates, warmMs);
    const timed = candidates.filter(({ seconds }) => Number.isFinite(seconds));
    if (timed.length === 0) throw new Error("no form could be timed");
    return timed.reduce((a, b) => (b.seconds < a.seconds ? b : a)).choice;
  } finally {
    for (const { ready } of candidates) ready.release();
    for (const array of factors.values()) array.release();
  }
}

/**
 * Times the large products of a graph in their likely forms, where that has not been done before: `device` then knows the
 * fastest. A processor that plays a GPU, and a GPU that does not tell the time, keep to what is estimated.
 */
export async function tuneProducts(
  device: Device,
  products: ProductDevice,
  live: LiveGraph,
  cache: boolean | string,
): Promise<void> {
  const { tuning } = device;
  if (products.isSimple || !device.hasClock) return;
  tuning.turn = tuning.turn.then(() => tuneMissing(device, products, live, cache));
  await tuning.turn;
}

async function tuneMissing(
  device: Device,
  products: ProductDevice,
  live: LiveGraph,
  cache: boolean | string,
): Promise<void> {
  const { tuning } = device;
  const folder = folderOf(cache);
  const file = folder && fileOf(folder, device);
  if (file && !tuning.read.has(file)) await readTuning(device, file);
  if (file) tuning.read.add(file);
  const fits = ({ rows, columns, depth, batch }: ProductSize): boolean =>
    4 * batch * Math.max(rows * depth, depth * columns, rows * columns) <= device.maxBinding;
  const missing = new Map(
    sizesOf(live, tuning.minFlops, products)
      .map((size) => [keyOf(size, products.matrices), size] as const)
      .filter(([key, size]) => !tuning.known.has(key) && !tuning.untimed.has(key) && fits(size)),
  );
  let warmMs = WARM_MS;
  for (const [key, size] of missing) {
    try {
      tuning.known.set(key, await fastest(device, products, size, cache, warmMs));
      warmMs = 0;
    } catch {
      // It takes the form that is estimated to be the fastest.
      tuning.untimed.add(key);
    }
  }
  if (!file || missing.size === 0) return;
  // Another process may have written meanwhile.
  await readTuning(device, file);
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeWhole(file, JSON.stringify(Object.fromEntries(tuning.known)));
  } catch {
    // Measured again by the next process.
  }
}
