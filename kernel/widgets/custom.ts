/** Widgets with a module of their own in the front end, as anywidget has them. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createModel, type State } from "./model.ts";
import { asWidget, layoutModel, type Widget } from "./widget.ts";

export interface CustomOptions<S extends object> {
  /**
   * An ES module whose default export is `{ initialize?, render? }`: its text, the path of its .js file (from the
   * notebook's folder), or its address. `render({ model, el })` fills `el`; there `model` has `get`, `set`,
   * `save_changes`, `on`, `off` and `send`.
   */
  module: string | URL;
  /** What both sides share: JSON, bytes (typed arrays) and other widgets. */
  state?: S;
  /** A style sheet: its text, the path of its .css file, or its address. */
  css?: string | URL;
}

type Changes<S> = { [Key in keyof S & string as `change:${Key}`]: (value: S[Key]) => unknown };

/** What can be listened to: the change of a value, any change, and messages that the module sends. */
export type CustomEvents<S> = Changes<S> & {
  change: (state: S) => unknown;
  message: (content: unknown, buffers: readonly Uint8Array[]) => unknown;
};

export interface CustomWidget<S> extends Widget {
  get<Key extends keyof S>(key: Key): S[Key];
  /** Sets values here and in the front ends; lists and objects that were changed in place are set as copies. */
  set<Key extends keyof S>(key: Key, value: S[Key]): void;
  set(values: Partial<S>): void;
  /** Sends what was set at once; otherwise quick changes go together, a few dozen times a second. */
  save(): void;
  /** Calls `handler` at an event; returns how to stop. What it prints is shown below the widget. */
  on<Event extends keyof CustomEvents<S>>(event: Event, handler: CustomEvents<S>[Event]): () => void;
  /** Sends a message, which the module gets by `model.on("msg:custom", …)`. */
  send(content: unknown, buffers?: readonly Uint8Array[]): void;
}

const isAddress = (text: string): boolean => /^https?:\/\//.test(text);

/** A module's or a style sheet's text, or its address where it is not a file of this machine. */
function sourceOf(source: string | URL, ending: RegExp): string {
  if (source instanceof URL)
    return source.protocol === "file:" ? readFile(fileURLToPath(source)) : source.href;
  const isPath = !source.includes("\n") && ending.test(source) && !isAddress(source);
  if (!isPath) return source;
  return readFile(source.startsWith("file:") ? fileURLToPath(source) : resolve(source));
}

function readFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Error(`widget: ${path} cannot be read: ${(error as Error).message}`);
  }
}

/** Names that anywidget and the front end have for themselves. */
const isTaken = (name: string): boolean =>
  name.startsWith("_") || ["layout", "tabbable", "tooltip"].includes(name);

/**
 * A widget with a module of its own: `widget({ module: "./counter.js", state: { count: 0 } })`. Values that either side
 * sets are the other's too.
 */
export function widget<S extends object = Record<string, never>>({
  module,
  state = {} as S,
  css = "",
}: CustomOptions<S>): CustomWidget<S> {
  const taken = Object.keys(state).find(isTaken);
  if (taken !== undefined)
    throw new RangeError(
      `widget: ${taken} cannot be a name in the state; it means something to the front end`,
    );
  const esm = sourceOf(module, /\.m?js$/);
  const model = createModel({
    _model_module: "anywidget",
    // Whatever version the front end has.
    _model_module_version: "*",
    _model_name: "AnyModel",
    _view_module: "anywidget",
    _view_module_version: "*",
    _view_name: "AnyView",
    _dom_classes: [],
    _esm: esm,
    _css: sourceOf(css, /\.css$/),
    _anywidget_id: `ditlab.${createHash("sha256").update(esm).digest("hex").slice(0, 12)}`,
    layout: layoutModel({}),
    ...state,
  });
  model.interactive = true;
  const known = (name: PropertyKey): void => {
    if (!Object.hasOwn(state, name))
      throw new RangeError(
        `widget: the state has ${Object.keys(state).join(", ") || "no values"}, but not ${String(name)}`,
      );
  };
  const current = (): S => Object.fromEntries(Object.keys(state).map((key) => [key, model.get(key)])) as S;
  const set = (first: PropertyKey | Partial<S>, value?: unknown): void => {
    const values: State = typeof first === "object" ? { ...first } : { [first]: value };
    for (const name of Object.keys(values)) known(name);
    model.set(values);
  };
  return asWidget(model, {
    get: <Key extends keyof S>(key: Key): S[Key] => {
      known(key);
      return model.get(String(key)) as S[Key];
    },
    set,
    save: model.flush,
    on: <Event extends keyof CustomEvents<S>>(event: Event, handler: CustomEvents<S>[Event]) =>
      model.on(
        String(event),
        event === "change" ? () => (handler as (state: S) => unknown)(current()) : (handler as never),
      ),
    send: model.send,
  });
}
