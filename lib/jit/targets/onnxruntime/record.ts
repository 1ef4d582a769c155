/** What onnxruntime's own trace says of the runs of a graph. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flopsOf } from "../../flops.ts";
import { type GraphNode, type LiveGraph, reads, type Value } from "../../graph.ts";
import { memoryOf } from "../../memory.ts";
import { type ProfileEvent, partOf, type RecordedRun, shapesText } from "../../profile.ts";

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

function eventOf({ name, dur, args }: TraceEvent): ProfileEvent {
  const inputs = shapesOf(args.input_type_shape);
  return {
    part: partOf(NAME.exec(name)?.[1] ?? ""),
    operator: args.op_name,
    seconds: dur / 1e6,
    flops: flopsOf(args.op_name, inputs, shapesOf(args.output_type_shape)[0]),
    shapes: shapesText(inputs),
  };
}

/** The runs that a trace has of a graph. */
export function recordedRuns(
  trace: unknown,
  runs: number,
  graph: LiveGraph,
  results: readonly Value[],
): RecordedRun[] {
  const recorded = (trace as TraceEvent[]).filter((e) => e.cat === "Node" && e.name.endsWith(ENDING));
  const events = recorded.filter(({ args }) => !CONTAINERS.has(args.op_name));
  const nodes = events.length / runs;
  return Array.from({ length: runs }, (_, i) => {
    const run = events.slice(i * nodes, (i + 1) * nodes);
    return {
      events: run.map(eventOf),
      memory: () => memoryOf(graph.inputs, ranNodes(graph, run), results),
    };
  });
}
