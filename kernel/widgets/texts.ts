/** Fields for text, and text that code sets. */
import { type Control, type ControlOptions, commonState, createControl } from "./control.ts";
import { createModel } from "./model.ts";
import { asWidget, controlState, type Widget } from "./widget.ts";

export interface TextOptions extends ControlOptions {
  value?: string;
  /** What an empty field shows. */
  placeholder?: string;
}

/** Text that code sets. */
export interface TextLine extends Widget {
  value: string;
}

const isText = (value: unknown): value is string => typeof value === "string";

const field = (name: string, { value = "", placeholder = "", ...options }: TextOptions): Control<string> =>
  createControl(
    name,
    { value, placeholder, continuous_update: true },
    {
      style: name === "Text" ? "TextStyle" : "DescriptionStyle",
      codec: { key: "value", read: String, write: String },
      accepts: isText,
    },
    options,
  );

/** A field for a line of text. */
export const text = (options: TextOptions = {}): Control<string> => field("Text", options);

/** A field for text of several lines. */
export const textarea = (options: TextOptions = {}): Control<string> => field("Textarea", options);

function textLine(name: "HTML" | "Label", value: string, options: ControlOptions): TextLine {
  const { disabled: _, ...common } = commonState(options, name === "HTML" ? "HTMLStyle" : "LabelStyle");
  const model = createModel({ ...controlState(name), ...common, value, placeholder: "" });
  return asWidget(model, {
    get value() {
      return String(model.get("value"));
    },
    set value(value: string) {
      model.set({ value: String(value) });
    },
  });
}

/** HTML that code sets. */
export const html = (value = "", options: ControlOptions = {}): TextLine => textLine("HTML", value, options);

/** A line of text that code sets. */
export const label = (value = "", options: ControlOptions = {}): TextLine =>
  textLine("Label", value, options);
