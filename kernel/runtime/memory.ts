/**
 * Each cell leaves the garbage of one compilation, about 2 MB that V8 would let grow to hundreds. It is collected
 * between cells, when it has become a good part of the heap, so that a long session stays small.
 */
import v8 from "node:v8";
import vm from "node:vm";

/** Growth of the heap that is worth a collection of some 30 ms, in bytes. */
const WORTH = 16 * 2 ** 20;

let collect: (() => void) | undefined;
let live = 0;

/** Called between cells. */
export function collectGarbage(): void {
  const used = process.memoryUsage().heapUsed;
  live ||= used;
  // A large heap costs more to walk, and may grow more before it is.
  if (used - live < Math.max(WORTH, live / 3)) return;
  if (!collect) {
    v8.setFlagsFromString("--expose-gc");
    collect = vm.runInNewContext("gc") as () => void;
  }
  collect();
  live = process.memoryUsage().heapUsed;
}
