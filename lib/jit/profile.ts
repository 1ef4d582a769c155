/** Where the time of a compiled function goes, by part, operator and matrix product, from onnxruntime's own trace. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flopsOf } from "./flops.ts";
import { type GraphNode, type LiveGraph, reads, type Value } from "./graph.ts";
import { memoryOf } from "./memory.ts";
import type { Profile } from "./profile-types.ts";
import { profileHtml, profileText } from "./profile-view.ts";

interface TraceEvent {
  cat: string;
  name: string;
  /** Microseconds. */
  dur: number;
  args: {
    op_name: string;
    input_type_shape: Record<string, number[]>[];
    output_type_shape: Record<string, number[]>[];
  };
}

/** Runs `body` with the start of a file name for a trace, and reads what it says was written. */
export async function recordTrace(body: (prefix: string) => Promise<string>): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), "ditlab-profile-"));
  try {
    return JSON.parse(await readFile(await body(join(folder, "trace")), "utf8"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const ENDING = "_kernel_time";
/** Their time is that of the nodes inside, which are recorded too. */
const CONTAINERS = new Set(["Loop"]);

/** A node's scope and its first output, also where onnxruntime has appended to the name: `a/b/MatMul_v7/fused`. */
const NAME = /^(?:(.*)\/)?[A-Z]\w*_(v\d+)(?:\/|_kernel_time$)/;

/** The scope, without the numbers of layers. */
const partOf = ({ name }: TraceEvent): string => (NAME.exec(name)?.[1] ?? "").replace(/\.\d+(?=\/|$)/g, "");

/** The nodes in the order in which they ran; one that was merged into another stands before its first reader. */
function ranNodes({ nodes }: LiveGraph, events: readonly TraceEvent[]): GraphNode[] {
  const turns = new Map(events.map(({ name }, i) => [NAME.exec(name)?.[2], i]));
  const turn = new Map<GraphNode, number>();
  const firstReader = new Map<Value, number>();
  for (const node of [...nodes].reverse()) {
    const readers = node.outputs.map((value) => firstReader.get(value) ?? Number.POSITIVE_INFINITY);
    const at = turns.get(node.outputs[0].name) ?? Math.min(...readers);
    turn.set(node, at);
    for (const value of reads(node)) firstReader.set(value, Math.min(firstReader.get(value) ?? at, at));
  }
  return [...nodes].sort((a, b) => turn.get(a)! - turn.get(b)!);
}

const shapesOf = (list: Record<string, number[]>[]): number[][] =>
  list.map((entry) => Object.values(entry)[0]);

/** Adds up events by a key, longest first. */
function total(
  events: readonly TraceEvent[],
  keyOf: (event: TraceEvent) => string,
): { key: string; calls: number; seconds: number }[] {
  const sums = new Map<string, { key: string; calls: number; seconds: number }>();
  for (const event of events) {
    const key = keyOf(event);
    const sum = sums.get(key) ?? { key, calls: 0, seconds: 0 };
    sums.set(key, { key, calls: sum.calls + 1, seconds: sum.seconds + event.dur / 1e6 });
  }
  return [...sums.values()].sort((a, b) => b.seconds - a.seconds);
}

/** What a trace of several runs of a graph says of the median one. */
export function summarizeTrace(
  trace: unknown,
  runs: number,
  name: string,
  graph: LiveGraph,
  results: readonly Value[],
): Profile {
  const recorded = (trace as TraceEvent[]).filter((e) => e.cat === "Node" && e.name.endsWith(ENDING));
  const events = recorded.filter(({ args }) => !CONTAINERS.has(args.op_name));
  const nodes = events.length / runs;
  const each = Array.from({ length: runs }, (_, i) => events.slice(i * nodes, (i + 1) * nodes));
  const secondsOf = (run: readonly TraceEvent[]) => run.reduce((sum, { dur }) => sum + dur, 0) / 1e6;
  const run = each.sort((a, b) => secondsOf(a) - secondsOf(b))[runs >> 1];
  const flopsIn = ({ args }: TraceEvent): number =>
    flopsOf(args.op_name, shapesOf(args.input_type_shape), shapesOf(args.output_type_shape)[0]);
  const products = run.filter((event) => flopsIn(event) > 0);
  const keyOf = ({ args }: TraceEvent): string => {
    const factors = shapesOf(args.input_type_shape).slice(0, 2);
    const written = factors.map((shape) => shape.slice(shape.length > 2 && shape[0] === 1 ? 1 : 0).join("x"));
    return [args.op_name, ...written].join(" ");
  };
  const flops = new Map(products.map((event) => [keyOf(event), flopsIn(event)]));
  const profile = {
    name,
    seconds: secondsOf(run),
    nodes,
    flops: products.reduce((sum, event) => sum + flopsIn(event), 0),
    memory: memoryOf(graph.inputs, ranNodes(graph, run), results),
    parts: total(run, partOf).map(({ key, ...sums }) => ({ part: key, ...sums })),
    operators: total(run, ({ args }) => args.op_name).map(({ key, ...sums }) => ({ operator: key, ...sums })),
    products: total(products, keyOf).map(({ key, calls, seconds }) => {
      const [operator, ...shapes] = key.split(" ");
      const gflops = (flops.get(key)! * calls) / seconds / 1e9;
      return { operator, shapes: shapes.join(" "), calls, seconds, gflops };
    }),
  };
  // Not among the properties: a profile is data, and is written as JSON.
  return Object.defineProperties(profile as Profile, {
    toString: { value: () => profileText(profile) },
    toHtml: { value: () => profileHtml(profile) },
    [Symbol.for("Jupyter.display")]: {
      value: () => ({ "text/plain": profileText(profile), "text/html": profileHtml(profile) }),
    },
  });
}
