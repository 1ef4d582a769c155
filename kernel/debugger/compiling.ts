/**
 * Whether the compiler is in the midst of its work. The inspector evaluates what it is asked wherever the thread happens
 * to be, but the compiler's parser can read only one text at a time: a second one in between leaves it with the state of
 * the wrong text.
 */
import { fileURLToPath } from "node:url";

/** Files of the compiler and of Node, which may have been called by a cell as well as by the kernel. */
const CALLED_BY_ANY = /^node:|[\\/]node_modules[\\/](typescript|tslab)[\\/]/;
const folder = (name: string) => fileURLToPath(new URL(`../${name}/`, import.meta.url));
const engine = folder("engine");
const debuggerFolder = folder("debugger");

const pathOf = (name: string): string => (name.startsWith("file:") ? fileURLToPath(name) : name);

/** The files of the functions that are running, the innermost first; code that was evaluated has none. */
function runningFiles(): string[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = Number.POSITIVE_INFINITY;
  Error.prepareStackTrace = (_, frames) => frames;
  try {
    const frames = new Error().stack as unknown as NodeJS.CallSite[];
    return frames.map((frame) => pathOf(frame.getFileName() ?? "")).filter((file) => file !== "");
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}

/** Whether this is called while the engine, or what it has called, is at work: not a cell's code. */
export function isCompiling(): boolean {
  const files = runningFiles();
  const asker = files.findIndex((file) => !file.startsWith(debuggerFolder));
  const worker = files.slice(asker === -1 ? files.length : asker).find((file) => !CALLED_BY_ANY.test(file));
  return worker?.startsWith(engine) === true;
}
