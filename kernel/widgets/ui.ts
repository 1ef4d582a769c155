/** Widgets by their names: what a cell knows as `ui`. */

import { display } from "../display/display.ts";
import type { Capture } from "../display/sink.ts";
import { sink } from "../display/sink.ts";
import { button, checkbox, dropdown, toggle, toggles } from "./choices.ts";
import type { Control } from "./control.ts";
import { createModel } from "./model.ts";
import { number, progress, range, slider } from "./numbers.ts";
import { clearCapture, OUTPUT_STATE, outputCapture } from "./output.ts";
import { html, label, text, textarea } from "./texts.ts";
import { asWidget, boxModel, layoutModel, type Widget } from "./widget.ts";

/** An area for what code prints and shows. */
export interface OutputArea extends Widget {
  /** Runs `body`; what it prints and shows, also later, stands in the area. Returns what it returns. */
  capture<T>(body: () => T): T;
  /** Empties it, with `wait` only when there is something else to show. */
  clear(options?: { wait?: boolean }): void;
}

function outputArea(): { widget: OutputArea; capture: Capture } {
  const model = createModel({ ...OUTPUT_STATE, layout: layoutModel({}) });
  const capture = outputCapture(model);
  const widget = asWidget(model, {
    capture<T>(body: () => T): T {
      const { capture: within } = sink();
      return within ? within(capture, body) : body();
    },
    clear: ({ wait = false }: { wait?: boolean } = {}) => clearCapture(capture, wait),
  });
  return { widget, capture };
}

/** The values of controls, by their names. */
export type ValuesOf<Controls> = {
  [Name in keyof Controls]: Controls[Name] extends Control<infer V> ? V : never;
};

/**
 * Controls, and below them what `render` returns for their values, again after each change. Of changes that come while it
 * works only the last is shown.
 */
function interact<Controls extends Record<string, Control<unknown>>>(
  controls: Controls,
  render: (values: ValuesOf<Controls>) => unknown,
): Widget {
  const { widget: area, capture } = outputArea();
  const valuesNow = () =>
    Object.fromEntries(
      Object.entries(controls).map(([name, { value }]) => [name, value]),
    ) as ValuesOf<Controls>;
  let due = false;
  let working: Promise<void> | undefined;
  async function draw(): Promise<void> {
    while (due) {
      due = false;
      clearCapture(capture, true);
      try {
        const value = await render(valuesNow());
        if (value !== undefined && value !== null) await display(value).shown;
      } catch (error) {
        const { report } = sink();
        if (!report) throw error;
        report(error);
      }
    }
    working = undefined;
  }
  const redraw = (): Promise<void> => {
    due = true;
    working ??= area.capture(draw);
    return working;
  };
  for (const control of Object.values(controls)) control.on("change", redraw);
  const parts = [...Object.values(controls), area];
  const model = boxModel("VBox", parts);
  const drawn = redraw();
  // The cell has what it shows at first.
  sink().wait?.(drawn);
  return asWidget(model, {}, parts);
}

/** Widgets beside each other. */
const row = (...widgets: Widget[]): Widget =>
  asWidget(boxModel("HBox", widgets, { flex_flow: "row wrap", align_items: "center" }), {});

/** Widgets below each other. */
const column = (...widgets: Widget[]): Widget => asWidget(boxModel("VBox", widgets), {});

/** An area for what code prints and shows: `area.capture(() => console.log("here"))`. */
const output = (): OutputArea => outputArea().widget;

/**
 * Widgets of JupyterLab, Visual Studio Code and other front ends with ipywidgets: as the last expression, or through
 * `display`, they are shown; in documents and pages they stay as they were.
 */
export const ui = {
  slider,
  range,
  dropdown,
  toggles,
  checkbox,
  toggle,
  button,
  text,
  textarea,
  number,
  progress,
  html,
  label,
  row,
  column,
  output,
  interact,
};

export type Ui = typeof ui;
