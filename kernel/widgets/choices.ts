/** Controls that choose, switch and click. */
import {
  type Codec,
  type Control,
  type ControlOptions,
  commonState,
  createControl,
  once,
} from "./control.ts";
import { createModel } from "./model.ts";
import { asWidget, controlState, type Widget } from "./widget.ts";

/** What can be chosen: the values, shown as text, or values by their labels. */
export type Choices<V> = readonly V[] | Readonly<Record<string, V>>;

export interface ChoiceOptions<V> extends ControlOptions {
  options: Choices<V>;
  /** The first unless given. */
  value?: NoInfer<V>;
}

export interface SwitchOptions extends ControlOptions {
  value?: boolean;
}

export interface ButtonOptions extends ControlOptions {
  /** The colour that it has by what it does. */
  kind?: "primary" | "success" | "info" | "warning" | "danger";
  /** An icon's name in Font Awesome 4, such as "play". */
  icon?: string;
}

export interface Button extends Widget {
  label: string;
  disabled: boolean;
  /** Calls `handler` at each click; returns how to stop. What it prints is shown below the button. */
  on(event: "click", handler: () => unknown): () => void;
  /** Resolves at the next click. */
  next(): Promise<void>;
}

function createChoice<V>(
  name: string,
  style: string,
  { options: choices, value, ...options }: ChoiceOptions<V>,
  state: Record<string, unknown> = {},
): Control<V> {
  const isList = Array.isArray(choices);
  const values: readonly V[] = isList ? choices : Object.values(choices);
  const labels = isList ? values.map(String) : Object.keys(choices);
  const kind = name.toLowerCase();
  if (values.length === 0) throw new RangeError(`${kind}: options must hold at least one value`);
  const indexOf = (wanted: V): number => {
    const index = values.indexOf(wanted);
    if (index < 0)
      throw new RangeError(`${kind}: one of ${labels.join(", ")} expected, got ${String(wanted)}`);
    return index;
  };
  return createControl<V>(
    name,
    { _options_labels: labels, index: value === undefined ? 0 : indexOf(value), ...state },
    {
      style,
      codec: { key: "index", read: (index) => values[Number(index)], write: indexOf },
      accepts: (index) => Number.isInteger(index) && Number(index) >= 0 && Number(index) < values.length,
    },
    options,
  );
}

/** A drop-down: `ui.dropdown({ label: "method", options: ["sra", "repa"] })`, whose value is one of them. */
export const dropdown = <const V>(options: ChoiceOptions<V>): Control<V> =>
  createChoice("Dropdown", "DescriptionStyle", options);

/** Buttons of which one is pressed. */
export const toggles = <const V>(options: ChoiceOptions<V>): Control<V> =>
  createChoice("ToggleButtons", "ToggleButtonStyle", options, { button_style: "", icons: [], tooltips: [] });

const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
const BOOLEAN: Codec<boolean> = { key: "value", read: (value: unknown) => value === true, write: Boolean };

export const checkbox = ({ value = false, ...options }: SwitchOptions = {}): Control<boolean> =>
  createControl(
    "Checkbox",
    { value, indent: false },
    { style: "CheckboxStyle", codec: BOOLEAN, accepts: isBoolean },
    options,
  );

/** A button that stays pressed until it is pressed again. */
export const toggle = ({ value = false, ...options }: SwitchOptions = {}): Control<boolean> =>
  createControl(
    "ToggleButton",
    { value, button_style: "", icon: "" },
    { style: "ToggleButtonStyle", codec: BOOLEAN, accepts: isBoolean },
    options,
  );

/** A button: `ui.button({ label: "Train" }).on("click", () => …)`. */
export function button({ kind, icon = "", ...options }: ButtonOptions = {}): Button {
  const model = createModel({
    ...controlState("Button"),
    ...commonState(options, "ButtonStyle"),
    ...{ button_style: kind ?? "", icon },
  });
  model.interactive = true;
  const isClick = (content: unknown): boolean => (content as { event?: unknown } | null)?.event === "click";
  // Whatever else a front end may say of a button is no click.
  model.on("message", (content: unknown) => (isClick(content) ? model.emit("click", []) : undefined));
  return asWidget(model, {
    get label() {
      return String(model.get("description"));
    },
    set label(description: string) {
      model.set({ description });
    },
    get disabled() {
      return model.get("disabled") === true;
    },
    set disabled(disabled: boolean) {
      model.set({ disabled });
    },
    on: (_event: "click", handler: () => unknown) => model.on("click", handler),
    next: () => once(model, "click", () => undefined),
  });
}
