/** Shown values become messages of the cell that shows them. */
import type { Comms } from "../comms/comms.ts";
import type { Capture, ShowOptions, Sink } from "../display/sink.ts";
import { capturing, currentCapture } from "../runtime/capture.ts";
import { type Cell, currentCell } from "../runtime/cell.ts";
import { reportError } from "./comms.ts";
import type { Outbox } from "./outbox.ts";
import { isCell } from "./queue.ts";

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
export function createCellSink(outbox: Outbox, flush: () => void, comms: Comms): CellSink {
  /** Which cell, or what took its outputs, carries what is shipped once a notebook. */
  const shipped = new Map<string, string | Capture>();
  const gone = (carrier: string | Capture): void => {
    for (const [key, one] of shipped) if (one === carrier) shipped.delete(key);
  };
  const outputGone = (cell: Cell): void => gone(cellKey(cell));
  /** Where the outputs with an id stand that no cell has. */
  const captured = new Map<string, Capture>();
  const captureGone = (capture: Capture): void => {
    gone(capture);
    for (const [id, one] of captured) if (one === capture) captured.delete(id);
  };
  /** What takes an output. What the notebook needs goes into a cell all the same, which is not cleared as often. */
  function captureOf({ id, update, shipped }: ShowOptions): Capture | undefined {
    const cell = currentCell();
    if (shipped && cell && isCell(cell.request)) return undefined;
    return update ? captured.get(id ?? "") : currentCapture();
  }
  const sink: Sink = {
    notebook: true,
    comms,
    capture: capturing,
    report: reportError,
    show(data, options) {
      const { metadata = {}, id, update } = options;
      const capture = captureOf(options);
      const cell = currentCell();
      if (!cell) return;
      flush();
      if (capture) {
        if (id !== undefined) captured.set(id, capture);
        return capture.show(data, options);
      }
      const transient = id === undefined ? {} : { display_id: id };
      const type = update ? "update_display_data" : "display_data";
      outbox.publish(cell.request, type, { data, metadata, transient });
    },
    clear(wait) {
      const capture = currentCapture();
      const cell = currentCell();
      if (!cell) return;
      flush();
      if (capture) {
        captureGone(capture);
        return capture.clear(wait);
      }
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
      const capture = captureOf({ shipped: true });
      shipped.set(key, capture ?? cellKey(cell));
      return true;
    },
  };
  return { sink, outputGone };
}
