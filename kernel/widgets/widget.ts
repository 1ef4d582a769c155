/** What all widgets have: how they are shown, and where the outputs of their handlers go. */
import { inspect } from "node:util";
import { DISPLAY, type Displayable } from "../display/mime.ts";
import { type MimeBundle, sink } from "../display/sink.ts";
import { MODEL } from "./buffers.ts";
import { createModel, type Model, type State } from "./model.ts";
import { OUTPUT_STATE, outputCapture } from "./output.ts";
import { registry } from "./registry.ts";
import { type Lookup, staticHtml, staticText } from "./static.ts";

export const WIDGET_VIEW = "application/vnd.jupyter.widget-view+json";

export interface Widget extends Displayable {
  readonly [MODEL]: Model;
  /** Removes it from all front ends. */
  close(): void;
}

const CONTROLS = {
  _model_module: "@jupyter-widgets/controls",
  _model_module_version: "2.0.0",
  _view_module: "@jupyter-widgets/controls",
  _view_module_version: "2.0.0",
};

/** The state by which the front end knows one of its own models. */
export const controlState = (name: string, view = `${name}View`): State => ({
  ...CONTROLS,
  _model_name: `${name}Model`,
  _view_name: view,
  _dom_classes: [],
});

/** Models that many widgets share: styles and layouts that are alike. */
const shared = new Map<string, { model: Model; comms: unknown }>();

function sharedModel(state: State): { [MODEL]: Model } {
  const key = JSON.stringify(state);
  const known = shared.get(key);
  if (known && !known.model.closed && known.comms === sink().comms) return { [MODEL]: known.model };
  const model = createModel(state);
  shared.set(key, { model, comms: sink().comms });
  return { [MODEL]: model };
}

export const layoutModel = (layout: State): { [MODEL]: Model } =>
  sharedModel({
    _model_module: "@jupyter-widgets/base",
    _model_module_version: "2.0.0",
    _model_name: "LayoutModel",
    _view_module: "@jupyter-widgets/base",
    _view_module_version: "2.0.0",
    _view_name: "LayoutView",
    ...layout,
  });

/** A style of one of the front end's kinds; labels take the width that they need. */
export const styleModel = (name: string): { [MODEL]: Model } =>
  sharedModel({
    ...CONTROLS,
    _model_name: `${name}Model`,
    _view_module: "@jupyter-widgets/base",
    _view_name: "StyleView",
    ...(name === "ButtonStyle" ? {} : { description_width: "initial" }),
  });

/** A box of widgets, whose handlers' outputs go where the box says. */
export function boxModel(name: "HBox" | "VBox", children: readonly Widget[], layout: State = {}): Model {
  const model = createModel({
    ...controlState(name),
    children,
    box_style: "",
    layout: layoutModel(layout),
  });
  for (const child of children) child[MODEL].parent = model;
  model.interactive = children.some((child) => child[MODEL].interactive);
  return model;
}

/** What is shown for a model whose handlers may print: itself, and below it an area for that. */
function withArea(model: Model): Model {
  if (!model.interactive) return model;
  if (model.shown && !model.shown.closed) return model.shown;
  const output = createModel({ ...OUTPUT_STATE, layout: layoutModel({}) });
  const parts = [model, output].map((part) => ({ [MODEL]: part }));
  model.shown = createModel({
    ...controlState("VBox"),
    children: parts,
    box_style: "",
    layout: layoutModel({}),
  });
  model.area = outputCapture(output);
  return model.shown;
}

const lookup: Lookup = (id) => registry().models.get(id)?.pack().state;

/** A widget for front ends that have widgets, and what it says for those that have none. */
function bundleOf(model: Model): MimeBundle {
  const state = model.pack().state;
  const text = { "text/plain": staticText(state, lookup) };
  if (!sink().comms || model.closed) return text;
  const { id } = withArea(model);
  return {
    [WIDGET_VIEW]: { version_major: 2, version_minor: 0, model_id: id },
    "text/html": staticHtml(state, lookup),
    ...text,
  };
}

/**
 * Makes a widget of what it does beside being one.
 * @param parts widgets that are closed with it
 */
export function asWidget<Body extends object>(
  model: Model,
  body: Body,
  parts: readonly Widget[] = [],
): Body & Widget {
  Object.defineProperties(body, {
    [MODEL]: { value: model },
    [inspect.custom]: { value: () => staticText(model.pack().state, lookup) },
    [DISPLAY]: { value: () => bundleOf(model) },
    close: {
      value() {
        for (const part of parts) part.close();
        model.shown?.close();
        model.close();
      },
    },
  });
  return body as Body & Widget;
}
