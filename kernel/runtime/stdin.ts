/** What a cell reads from the standard input (`readline`, say) is asked of the notebook's reader, a line at a time. */
import { Readable } from "node:stream";
import { type Cell, currentCell } from "./cell.ts";

type Ask = (prompt: string, password: boolean) => Promise<string>;

function readerOf(cell: Cell | undefined, ask: Ask): Readable {
  const stream = new Readable({
    read() {
      // Whoever has its line and stops listening in that turn wants no other.
      setImmediate(async () => {
        if (stream.readableFlowing === false) return stream.push("");
        try {
          stream.push(`${await ask("", false)}\n`);
        } catch (error) {
          stream.push(null);
          // Nobody can answer: what waits for a line would wait for ever.
          for (const reject of cell?.pending ?? []) reject(error as Error);
        }
      });
    },
  });
  return stream;
}

/** Makes `process.stdin` ask; each cell has a stream of its own, since one that was left waiting is spent. */
export function captureStandardInput(ask: Ask): void {
  const streams = new WeakMap<Cell, Readable>();
  Object.defineProperty(process, "stdin", {
    configurable: true,
    get() {
      const cell = currentCell();
      const stream = (cell && streams.get(cell)) ?? readerOf(cell, ask);
      if (cell) streams.set(cell, stream);
      return stream;
    },
  });
}
