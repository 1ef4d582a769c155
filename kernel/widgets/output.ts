/** Output areas: what code prints and shows, in a widget in place of the cell. */
import type { Capture, MimeBundle } from "../display/sink.ts";
import { sink } from "../display/sink.ts";
import type { Model, State } from "./model.ts";

/** Longer texts lose their beginning: a handler may print for hours. */
const MAX_STREAM = 200_000;
const MAX_OUTPUTS = 1000;

export const OUTPUT_STATE: State = {
  _model_module: "@jupyter-widgets/output",
  _model_module_version: "1.0.0",
  _model_name: "OutputModel",
  _view_module: "@jupyter-widgets/output",
  _view_module_version: "1.0.0",
  _view_name: "OutputView",
  _dom_classes: [],
  msg_id: "",
  outputs: [],
};

/** An output as a document keeps it. */
export interface AreaOutput {
  readonly output_type: "stream" | "display_data";
  readonly name?: string;
  readonly text?: string;
  readonly data?: MimeBundle;
  readonly metadata?: Record<string, unknown>;
}

/**
 * Takes outputs into an output model. They are a part of its state, so that a page that is loaded again has them, and a
 * saved notebook too.
 */
export function outputCapture(model: Model): Capture {
  let outputs: readonly AreaOutput[] = [];
  let places = new Map<string, number>();
  let clearNext = false;

  function show(next: readonly AreaOutput[]): void {
    outputs = next;
    if (!model.closed) model.set({ outputs: next });
  }
  function empty(): void {
    outputs = [];
    places = new Map();
    clearNext = false;
  }
  function add(output: AreaOutput, id?: string): void {
    if (clearNext || outputs.length >= MAX_OUTPUTS) empty();
    if (id !== undefined) places.set(id, outputs.length);
    show([...outputs, output]);
  }

  return {
    stream(name, text) {
      const last = clearNext ? undefined : outputs.at(-1);
      if (last?.output_type !== "stream" || last.name !== name)
        return add({ output_type: "stream", name, text });
      const whole = `${last.text}${text}`;
      show([...outputs.slice(0, -1), { ...last, text: whole.slice(-MAX_STREAM) }]);
    },
    show(data, { metadata = {}, id, update }) {
      const output: AreaOutput = { output_type: "display_data", data, metadata };
      if (!update) return add(output, id);
      const place = places.get(id ?? "");
      if (place !== undefined) show(outputs.map((other, i) => (i === place ? output : other)));
    },
    clear(wait) {
      if (wait) {
        clearNext = true;
        return;
      }
      empty();
      show([]);
    },
  };
}

/** Clears what a capture holds, as `display.clear` would within it. */
export function clearCapture(capture: Capture, wait: boolean): void {
  const { capture: within } = sink();
  if (within) within(capture, () => sink().clear(wait));
  else capture.clear(wait);
}
