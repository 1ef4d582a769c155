/** Controls with a value that the reader and the code both change. */
import type { Model, State } from "./model.ts";
import { createModel } from "./model.ts";
import { asWidget, controlState, layoutModel, styleModel, type Widget } from "./widget.ts";

export interface ControlOptions {
  /** What stands beside it. */
  label?: string;
  /** As in CSS, such as "20em" or "50%". */
  width?: string;
  disabled?: boolean;
}

/** A control with a value. Its values can be read, set, listened to, awaited (`next`) and looped over (`for await`). */
export interface Control<V> extends Widget, AsyncIterable<V> {
  /** The value now; setting it changes what the reader sees. */
  value: V;
  label: string;
  disabled: boolean;
  /** Calls `handler` with each new value, whoever changed it; returns how to stop. What it prints is shown below the control. */
  on(event: "change", handler: (value: V) => unknown): () => void;
  /** The value at its next change. */
  next(): Promise<V>;
  /** The value now, and then the newest one whenever the loop comes round after a change. */
  [Symbol.asyncIterator](): AsyncIterableIterator<V>;
}

export interface Codec<V> {
  /** The name in the state that holds the value. */
  readonly key: string;
  read(state: unknown): V;
  /** @throws where it is no value of the control */
  write(value: V): unknown;
}

/** The next time that `event` happens. Rejects when the widget is closed before. */
export function once<V>(model: Model, event: string, read: (...values: never[]) => V): Promise<V> {
  const closed = () => new Error("the widget was closed");
  if (model.closed) return Promise.reject(closed());
  return new Promise((resolve, reject) => {
    const stop = [
      model.on(event, (...values: never[]) => {
        for (const end of stop) end();
        resolve(read(...values));
      }),
      model.on("close", () => {
        for (const end of stop) end();
        reject(closed());
      }),
    ];
  });
}

/** The value now, and the newest after each change; ends when the widget is closed. */
function iterate<V>(model: Model, key: string, read: () => V): AsyncIterableIterator<V> {
  let fresh = true;
  let ended = model.closed;
  let wake: (() => void) | undefined;
  const stirred = (): void => {
    wake?.();
    wake = undefined;
  };
  const stop = [
    model.on(`change:${key}`, () => {
      fresh = true;
      stirred();
    }),
    model.on("close", () => end()),
  ];
  const end = (): void => {
    ended = true;
    for (const one of stop) one();
    stirred();
  };
  return {
    async next() {
      while (!fresh && !ended)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      if (ended) return { done: true, value: undefined };
      fresh = false;
      return { done: false, value: read() };
    },
    async return() {
      end();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** The state that all controls have. */
export const commonState = (
  { label = "", width, disabled = false }: ControlOptions,
  style: string,
): State => ({
  description: label,
  disabled,
  layout: layoutModel(width === undefined ? {} : { width }),
  style: styleModel(style),
});

/** A control from the front end's name for it, its state, and how its value is kept there. */
export function createControl<V>(
  name: string,
  state: State,
  { style, view, codec, accepts }: ControlKind<V>,
  options: ControlOptions,
): Control<V> {
  const { key, read, write } = codec;
  const model = createModel(
    { ...controlState(name, view), ...commonState(options, style), ...state },
    { accepts: (changed, value) => changed !== key || accepts(value) },
  );
  model.interactive = true;
  const current = (): V => read(model.get(key));
  return asWidget(model, {
    get value() {
      return current();
    },
    set value(value: V) {
      model.set({ [key]: write(value) });
    },
    get label() {
      return String(model.get("description"));
    },
    set label(label: string) {
      model.set({ description: label });
    },
    get disabled() {
      return model.get("disabled") === true;
    },
    set disabled(disabled: boolean) {
      model.set({ disabled });
    },
    on: (_event: "change", handler: (value: V) => unknown) =>
      model.on(`change:${key}`, () => handler(current())),
    next: () => once(model, `change:${key}`, current),
    [Symbol.asyncIterator]: () => iterate(model, key, current),
  });
}

export interface ControlKind<V> {
  /** The front end's name for its style. */
  readonly style: string;
  readonly view?: string;
  readonly codec: Codec<V>;
  /** Whether what a front end says is a value of the control. */
  readonly accepts: (value: unknown) => boolean;
}
