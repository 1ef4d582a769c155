/**
 * What keeps a long session small. Each cell leaves the garbage of one compilation, about 2 MB that V8 would let grow
 * to hundreds: it is collected between cells, when it has become a good part of the heap. And the TypeScript compiler
 * has functions so long that V8's optimizer takes tens of megabytes for each, which its allocator keeps: they are left
 * as they are, at no cost in time that could be measured.
 */
import v8 from "node:v8";
import vm from "node:vm";

/** Growth of the heap that is worth a collection of some 30 ms, in bytes. */
const WORTH = 16 * 2 ** 20;

/** The longest function that V8 optimizes, and that it does while a cell is compiled; in bytes of its bytecode. */
const LONGEST = 60 * 1024;
const LONGEST_OF_COMPILER = 8000;

const optimizeUpTo = (length: number) => v8.setFlagsFromString(`--max-optimized-bytecode-size=${length}`);

/** Runs what the compiler does for a cell, without optimizing its giant functions. */
export function sparingMemory<T>(compile: () => T): T {
  optimizeUpTo(LONGEST_OF_COMPILER);
  try {
    return compile();
  } finally {
    optimizeUpTo(LONGEST);
  }
}

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
    // Compiled code that is kept on disk is only read back under the same flags.
    v8.setFlagsFromString("--no-expose-gc");
  }
  collect();
  live = process.memoryUsage().heapUsed;
}
