/** Shown values become messages of the cell that shows them. */
import type { Sink } from "../display/sink.ts";
import { type Cell, currentCell } from "../runtime/cell.ts";
import type { Outbox } from "./outbox.ts";

export interface CellSink {
  readonly sink: Sink;
  /** Says that the output of a cell has gone, and with it what it carried for the whole notebook. */
  outputGone(cell: Cell): void;
}

/** What tells one cell from another, also after it was edited where the front end says so. */
function cellKey(cell: Cell): string {
  const { metadata, content } = cell.request;
  return typeof metadata.cellId === "string" ? metadata.cellId : String(content.code);
}

/** @param flush sends what was printed before, so that it stands before what is shown */
export function createCellSink(outbox: Outbox, flush: () => void): CellSink {
  /** Which cell carries what is shipped once a notebook. */
  const shipped = new Map<string, string>();
  function outputGone(cell: Cell): void {
    for (const [key, carrier] of shipped) if (carrier === cellKey(cell)) shipped.delete(key);
  }
  const sink: Sink = {
    notebook: true,
    show(data, { metadata = {}, id, update }) {
      const cell = currentCell();
      if (!cell) return;
      flush();
      const transient = id === undefined ? {} : { display_id: id };
      const type = update ? "update_display_data" : "display_data";
      outbox.publish(cell.request, type, { data, metadata, transient });
    },
    clear(wait) {
      const cell = currentCell();
      if (!cell) return;
      flush();
      outputGone(cell);
      outbox.publish(cell.request, "clear_output", { wait });
    },
    wait(output) {
      const unfinished = currentCell()?.unfinished;
      unfinished?.add(output);
      void output.finally(() => unfinished?.delete(output));
    },
    once(key) {
      const cell = currentCell();
      if (!cell || shipped.has(key)) return false;
      shipped.set(key, cellKey(cell));
      return true;
    },
  };
  return { sink, outputGone };
}
