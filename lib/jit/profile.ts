/** Where the time of a compiled function goes, by operator and by matrix product, from onnxruntime's own trace. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sizeOf } from "./graph.ts";

export interface ProfiledOperator {
  operator: string;
  /** Of one run. */
  calls: number;
  seconds: number;
}

export interface ProfiledProduct extends ProfiledOperator {
  /** The factors' shapes, for example `2048x384 384x1536`. */
  shapes: string;
  gflops: number;
}

export interface Profile {
  /** Seconds of one run in operators: the median run. Recording itself costs a few microseconds a node. */
  seconds: number;
  nodes: number;
  /** Longest first. */
  operators: ProfiledOperator[];
  products: ProfiledProduct[];
}

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

const shapesOf = (list: Record<string, number[]>[]): number[][] =>
  list.map((entry) => Object.values(entry)[0]);

/** Adds up events by a key. */
function total(
  events: readonly TraceEvent[],
  keyOf: (event: TraceEvent) => string,
): Map<string, [number, number]> {
  const sums = new Map<string, [number, number]>();
  for (const event of events) {
    const [calls, seconds] = sums.get(keyOf(event)) ?? [0, 0];
    sums.set(keyOf(event), [calls + 1, seconds + event.dur / 1e6]);
  }
  return sums;
}

const bySeconds = (a: ProfiledOperator, b: ProfiledOperator): number => b.seconds - a.seconds;

/** What a trace of several runs says of the median one. */
export function summarizeTrace(trace: unknown, runs: number): Profile {
  const events = (trace as TraceEvent[]).filter(
    ({ cat, name }) => cat === "Node" && name.endsWith("_kernel_time"),
  );
  const nodes = events.length / runs;
  const each = Array.from({ length: runs }, (_, i) => events.slice(i * nodes, (i + 1) * nodes));
  const secondsOf = (run: readonly TraceEvent[]) => run.reduce((sum, { dur }) => sum + dur, 0) / 1e6;
  const run = each.sort((a, b) => secondsOf(a) - secondsOf(b))[runs >> 1];
  const operators = [...total(run, ({ args }) => args.op_name)]
    .map(([operator, [calls, seconds]]) => ({ operator, calls, seconds }))
    .sort(bySeconds);
  const products = run.filter(({ args }) => /^(MatMul|FusedMatMul|Gemm)$/.test(args.op_name));
  const keyOf = ({ args }: TraceEvent): string =>
    [
      args.op_name,
      ...shapesOf(args.input_type_shape)
        .slice(0, 2)
        .map((shape) => shape.join("x")),
    ].join(" ");
  const flops = new Map(products.map((event) => [keyOf(event), flopsOf(event)]));
  return {
    seconds: secondsOf(run),
    nodes,
    operators,
    products: [...total(products, keyOf)]
      .map(([key, [calls, seconds]]) => {
        const [operator, ...shapes] = key.split(" ");
        const gflops = (flops.get(key)! * calls) / seconds / 1e9;
        return { operator, shapes: shapes.join(" "), calls, seconds, gflops };
      })
      .sort(bySeconds),
  };
}

/** Operations of a product, from its shapes alone: whether a factor is transposed is not recorded. */
function flopsOf({ args }: TraceEvent): number {
  const [a] = shapesOf(args.input_type_shape);
  const [output] = shapesOf(args.output_type_shape);
  const contracted = (a[a.length - 2] * a[a.length - 1]) / output[output.length - 2];
  return 2 * sizeOf(output) * contracted;
}
