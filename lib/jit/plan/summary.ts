/** What a plan comes to, for people. */
import type { LiveGraph } from "../graph.ts";
import { partOf } from "../profile.ts";
import { makeArena } from "./arena.ts";
import type { PlannedProgram } from "./traced.ts";
import { bytesByKernel, bytesByNode, bytesOfKernel } from "./traffic.ts";

export interface PlannedKernel {
  /** The operators that it computes. */
  operators: string;
  /** The part of the model, as `namedScope` has it. */
  part: string;
  workgroups: number;
  /** Bytes that it reads and writes. */
  bytes: number;
}

/** The kernels of a compiled function on a GPU. Those of a loop's body count once. */
export interface PlanSummary {
  /** In the order in which they are launched. */
  kernels: PlannedKernel[];
  /** Different texts among them, each of which is compiled once. */
  texts: number;
  /** Bytes that all kernels read and write in one run, and what a kernel a node would. */
  bytesMoved: number;
  bytesMovedByNodes: number;
  /** Bytes of the memory that values between kernels share. */
  arena: number;
}

/** How memory is cut where no device says so. */
const MEMORY = { alignment: 256, maxBlock: 2 ** 32 };

export function planSummary(live: LiveGraph, { plans }: PlannedProgram): PlanSummary {
  const all = [...plans.values()];
  const kernels = all.flatMap(({ kernels }) => kernels);
  const arenas = [...plans].map(([{ outputs }, plan]) => makeArena(plan, new Set(outputs.values()), MEMORY));
  return {
    kernels: all.flatMap((plan) =>
      plan.kernels.map((kernel) => ({
        operators: kernel.label,
        part: partOf(kernel.node?.scope ?? ""),
        workgroups: kernel.groups.reduce((product, count) => product * count, 1),
        bytes: bytesOfKernel(kernel, plan.narrow),
      })),
    ),
    texts: new Set(kernels.filter(({ call }) => !call).map((kernel) => kernel.text())).size,
    bytesMoved: all.reduce((sum, plan) => sum + bytesByKernel(plan), 0),
    bytesMovedByNodes: bytesByNode(live),
    arena: arenas.reduce((sum, { blocks }) => sum + blocks.reduce((bytes, block) => bytes + block, 0), 0),
  };
}
