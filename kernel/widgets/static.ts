/** What a widget says without a kernel and without a front end's widgets: its controls as they stand, and a line of text. */
import { escapeHtml } from "../display/table.ts";
import { REFERENCE } from "./buffers.ts";
import type { State } from "./model.ts";
import type { AreaOutput } from "./output.ts";

/** The state of a model; undefined where it is not known. */
export type Lookup = (id: string) => State | undefined;

export interface StaticOptions {
  /** Renders outputs of an output area. */
  readonly outputs?: (outputs: readonly unknown[]) => string;
  /** Renders a widget with a module of its own. */
  readonly custom?: (id: string, state: State) => string;
}

const MAX_DEPTH = 20;

const text = (value: unknown): string => (value === null || value === undefined ? "" : String(value));
/** Numbers in as many digits as a reader wants. */
const short = (value: unknown): string =>
  typeof value === "number" && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : text(value);

const childrenOf = (state: State): string[] =>
  Array.isArray(state.children)
    ? state.children
        .filter((child) => text(child).startsWith(REFERENCE))
        .map((child) => child.slice(REFERENCE.length))
    : [];

const labelsOf = ({ _options_labels }: State): string[] =>
  Array.isArray(_options_labels) ? _options_labels.map(text) : [];

/** The value of a control in words. */
function valueText(state: State): string {
  const { value, index, max } = state;
  if (labelsOf(state).length > 0) return labelsOf(state)[Number(index)] ?? "";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map(short).join(" – ");
  if (/ProgressModel$/.test(text(state._model_name))) return `${short(value)} / ${short(max)}`;
  return short(value);
}

/** State of a widget's own, without what the protocol adds. */
export const ownState = (state: State): [string, unknown][] =>
  Object.entries(state).filter(
    ([name]) => !name.startsWith("_") && !["layout", "tabbable", "tooltip"].includes(name),
  );

function summary(value: unknown): string {
  const json = JSON.stringify(value) ?? "";
  return json.length > 60 ? `${json.slice(0, 57)}…` : json;
}

const isCustom = (state: State): boolean => state._model_module === "anywidget";

/** A widget as a line of text. */
export function staticText(state: State, lookup: Lookup, depth = 0): string {
  if (isCustom(state))
    return (
      ownState(state)
        .map(([name, value]) => `${name}: ${summary(value)}`)
        .join(", ") || "widget"
    );
  if (state._model_name === "OutputModel") return outputText(state);
  if (depth < MAX_DEPTH && Array.isArray(state.children)) {
    const parts = childrenOf(state).map((id) => staticText(lookup(id) ?? {}, lookup, depth + 1));
    const isRow = state._model_name === "HBoxModel";
    return parts.filter((part) => part !== "").join(isRow ? "   " : "\n");
  }
  const label = text(state.description);
  if (state._model_name === "ButtonModel") return `[${label}]`;
  const value = valueText(withDefaults(state));
  const shown = state._model_name === "HTMLModel" ? value.replace(/<[^>]*>/g, "") : value;
  return label === "" ? shown : `${label}: ${shown}`;
}

const plainOutput = (output: AreaOutput): string => text(output.text ?? output.data?.["text/plain"]);

function outputText({ outputs }: State): string {
  return Array.isArray(outputs) ? outputs.map(plainOutput).join("").trimEnd() : "";
}

/** What an output area holds, as far as it needs no more than a page. */
function outputHtml(output: AreaOutput): string {
  const { "text/html": html, "image/png": png } = output.data ?? {};
  if (typeof html === "string") return tag("div", {}, html);
  if (typeof png === "string") return tag("img", { alt: "", src: `data:image/png;base64,${png}` });
  return tag("pre", {}, escapeHtml(plainOutput(output)));
}

const tag = (name: string, attributes: Record<string, unknown>, inner?: string): string => {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== false && value !== undefined && value !== null)
    .map(([key, value]) => (value === true ? ` ${key}` : ` ${key}="${escapeHtml(String(value))}"`))
    .join("");
  return inner === undefined ? `<${name}${written}>` : `<${name}${written}>${inner}</${name}>`;
};

const INLINE = "display:inline-flex;align-items:center;gap:0.6em;margin:0.2em 0.8em 0.2em 0";
const WIDE = "width:14em";

const input = (attributes: Record<string, unknown>): string =>
  tag("input", { ...attributes, disabled: true });
const readout = (state: State): string => tag("span", {}, escapeHtml(valueText(state)));

/** What JupyterLab leaves out of a saved state: values that its controls have by themselves. */
function withDefaults(state: State): State {
  const name = text(state._model_name);
  if (!Object.hasOwn(BODIES, name.replace(/Model$/, ""))) return state;
  const value = /^(HTML|Label|Text)/.test(name) ? "" : /^(Checkbox|Toggle)/.test(name) ? false : 0;
  const ends = name === "FloatLogSliderModel" ? { min: 0, max: 4, base: 10, value: 1 } : { min: 0, max: 100 };
  return { value, ...ends, ...state };
}

/** A position between the ends of a slider, the logarithmic ones too, in thousandths. */
function position({ value, min, max, base }: State): number {
  const at = typeof base === "number" ? Math.log(Number(value)) / Math.log(base) : Number(value);
  return Math.round((1000 * (at - Number(min))) / (Number(max) - Number(min))) || 0;
}

const range = (value: number): string => input({ type: "range", min: 0, max: 1000, value, style: WIDE });

const slider = (state: State): string => range(position(state)) + readout(state);
const rangeSlider = (state: State): string => {
  const ends = Array.isArray(state.value) ? state.value : [];
  return ends.map((value) => range(position({ ...state, value }))).join("") + readout(state);
};
const choices = (state: State): string =>
  tag(
    "select",
    { disabled: true },
    labelsOf(state)
      .map((label, i) => tag("option", { selected: i === state.index }, escapeHtml(label)))
      .join(""),
  );
const field = (type: string) => (state: State) =>
  input({ type, value: short(state.value), placeholder: text(state.placeholder), style: WIDE });
const progress = (state: State): string =>
  tag(
    "progress",
    { max: Number(state.max) - Number(state.min), value: Number(state.value) - Number(state.min) },
    "",
  ) + readout(state);
const button = ({ description }: State): string =>
  tag("button", { type: "button", disabled: true }, escapeHtml(text(description)));
const toggle = (state: State): string =>
  tag(
    "button",
    { type: "button", disabled: true, "aria-pressed": String(state.value === true) },
    `${escapeHtml(text(state.description))}: ${valueText(state)}`,
  );

/** From a control's name to what stands beside its label. */
const BODIES: Record<string, (state: State) => string> = {
  IntSlider: slider,
  FloatSlider: slider,
  FloatLogSlider: slider,
  IntRangeSlider: rangeSlider,
  FloatRangeSlider: rangeSlider,
  Dropdown: choices,
  Select: choices,
  RadioButtons: choices,
  ToggleButtons: choices,
  SelectionSlider: choices,
  Checkbox: ({ value }) => input({ type: "checkbox", checked: value === true }),
  ToggleButton: toggle,
  Button: button,
  Text: field("text"),
  IntText: field("number"),
  FloatText: field("number"),
  BoundedFloatText: field("number"),
  BoundedIntText: field("number"),
  Textarea: ({ value }) => tag("textarea", { disabled: true, style: WIDE }, escapeHtml(text(value))),
  IntProgress: progress,
  FloatProgress: progress,
  ColorPicker: field("text"),
  HTML: ({ value }) => text(value),
  Label: ({ value }) => escapeHtml(text(value)),
};
/** Controls that have their label inside. */
const LABELLED = ["Button", "ToggleButton"];

/** A widget as HTML that needs no script. */
export function staticHtml(
  state: State,
  lookup: Lookup,
  options: StaticOptions = {},
  id = "",
  depth = 0,
): string {
  if (isCustom(state) && options.custom) return options.custom(id, state);
  const name = text(state._model_name).replace(/Model$/, "");
  if (name === "Output") {
    const outputs = Array.isArray(state.outputs) ? state.outputs : [];
    return options.outputs?.(outputs) ?? outputs.map(outputHtml).join("");
  }
  if (depth < MAX_DEPTH && Array.isArray(state.children)) {
    const parts = childrenOf(state).map((child) =>
      staticHtml(lookup(child) ?? {}, lookup, options, child, depth + 1),
    );
    const direction = name === "HBox" ? "row;flex-wrap:wrap;gap:0 0.5em" : "column";
    return tag("div", { style: `display:flex;flex-direction:${direction}` }, parts.join(""));
  }
  const body = BODIES[name];
  if (!body) return tag("div", {}, escapeHtml(staticText(state, lookup)));
  const label = text(state.description);
  const shown = label === "" || LABELLED.includes(name) ? "" : tag("span", {}, escapeHtml(label));
  return tag(
    "div",
    {},
    tag(name === "HTML" ? "div" : "label", { style: INLINE }, shown + body(withDefaults(state))),
  );
}
