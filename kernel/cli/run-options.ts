/** What the commands that run notebooks have in common. */
import { InvalidArgumentError } from "commander";
import type { CellProgress } from "../notebook/run.ts";

/** Seconds of the command line. */
export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 2 ** 31 / 1000))
    throw new InvalidArgumentError("seconds above 0 expected, at most 24 days.");
  return value;
}

/** The first line of a cell that is code. */
export const firstLine = (source: string) =>
  source.split("\n").find((line) => line.trim() !== "" && !line.startsWith("//")) ?? "";

/** One line for each cell; in a terminal the line of the running cell is written over. */
export function reporter(): (cell: CellProgress) => void {
  const { isTTY } = process.stderr;
  // A run is not in vain when nobody reads of it any more (`| head -1`).
  process.stderr.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  return ({ index, total, cell, seconds }) => {
    const place = `[${String(index).padStart(String(total).length)}/${total}]`;
    const title = firstLine(cell.source).slice(0, 60);
    if (seconds === undefined) {
      if (isTTY) process.stderr.write(`${place}       … ${title}`);
    } else {
      const line = `${place} ${seconds.toFixed(1).padStart(6)} s ${title}`;
      process.stderr.write(isTTY ? `\r\u001b[K${line}\n` : `${line}\n`);
    }
  };
}

/** Aborted by the first Ctrl-C; a second one ends the process. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write("\nStopping this cell; press Ctrl-C again to stop at once.\n");
    controller.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  return controller.signal;
}
