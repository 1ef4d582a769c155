/** A model: a state that the kernel and its front ends share over a comm, by the protocol of Jupyter's widgets. */
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers";
import { isDeepStrictEqual } from "node:util";
import type { Comm, CommMessage } from "../comms/comms.ts";
import { type Capture, sink } from "../display/sink.ts";
import { asKindOf, pack, putBuffers } from "./buffers.ts";
import { type LiveModel, registry } from "./registry.ts";

export type State = Record<string, unknown>;

type Handler = (...values: never[]) => unknown;

export interface Model extends LiveModel {
  readonly closed: boolean;
  get(key: string): unknown;
  /** Sets values; what has changed goes to the front ends, and to the handlers of `change` and `change:<key>`. */
  set(values: State): void;
  on(event: string, handler: Handler): () => void;
  /** Calls the handlers of an event; resolves when they are done. */
  emit(event: string, values: readonly unknown[]): Promise<unknown>;
  /** Sends a message of the widget's own kind. */
  send(content: unknown, buffers?: readonly Uint8Array[]): void;
  close(): void;
  /** The model that shows this one as a part of itself. */
  parent?: Model;
  /** What takes the outputs of its handlers, and of those of its parts. */
  area?: Capture;
  /** Whether it, or a part of it, may have handlers. */
  interactive?: boolean;
  /** What is shown for it: itself with its area. */
  shown?: Model;
}

export interface ModelOptions {
  /** Whether a value may be what a front end says it is; one that may not is passed over. */
  readonly accepts?: (key: string, value: unknown) => boolean;
  /** The comm, where a front end has opened one. */
  readonly comm?: Comm;
}

export const WIDGET_TARGET = "jupyter.widget";
export const PROTOCOL_VERSION = "2.1.0";
/** Changes that follow one that was sent are gathered this long, in milliseconds. */
const GATHER = 20;

/** Whether front ends get back what one of them has set: how they agree when there are several. */
const echoes = (): boolean =>
  !["no", "n", "false", "off", "0", "0.0"].includes((process.env.JUPYTER_WIDGETS_ECHO ?? "on").toLowerCase());

/** Runs a handler; what it prints goes to the nearest area, and its errors are told there. */
async function dispatch(model: Model, handler: Handler, values: readonly unknown[]): Promise<void> {
  const { capture, report } = sink();
  let place: Model | undefined = model;
  while (place && !place.area) place = place.parent;
  const run = async (): Promise<void> => {
    try {
      await (handler as (...values: unknown[]) => unknown)(...values);
    } catch (error) {
      if (report) report(error);
      else console.error(error);
    }
  };
  await (capture && place ? capture(place.area, run) : run());
}

export function createModel(initial: State, { accepts = () => true, comm: given }: ModelOptions = {}): Model {
  const state: State = { ...initial };
  const handlers = new Map<string, Set<Handler>>();
  const changed = new Set<string>();
  let sent = Number.NEGATIVE_INFINITY;
  let closed = false;

  function emit(event: string, values: readonly unknown[]): Promise<unknown> {
    return Promise.all([...(handlers.get(event) ?? [])].map((handler) => dispatch(model, handler, values)));
  }

  /** Takes values over; the names of those that differ. */
  function assign(values: State): string[] {
    const names = Object.keys(values).filter((name) => !isDeepStrictEqual(state[name], values[name]));
    for (const name of names) state[name] = values[name];
    return names;
  }

  async function changedBy(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    await Promise.all([...names.map((name) => emit(`change:${name}`, [state[name]])), emit("change", [])]);
  }

  function transmit(method: "update" | "echo_update", values: State): void {
    if (!comm || comm.closed) return;
    const { buffers, ...content } = pack(values);
    comm.send({ method, ...content }, { buffers });
  }

  function flush(): void {
    registry().unsent.delete(model);
    if (changed.size === 0) return;
    const values = Object.fromEntries([...changed].map((name) => [name, state[name]]));
    changed.clear();
    sent = performance.now();
    transmit("update", values);
  }

  function schedule(): void {
    const { unsent } = registry();
    if (performance.now() - sent >= GATHER) flush();
    else if (!unsent.has(model)) {
      unsent.add(model);
      setTimeout(flush, GATHER);
    }
  }

  async function update(data: State, buffers: readonly Uint8Array[]): Promise<void> {
    const values = typeof data.state === "object" && data.state !== null ? { ...(data.state as State) } : {};
    putBuffers(values, data.buffer_paths, buffers);
    const known = Object.entries(values)
      .filter(([name, value]) => Object.hasOwn(state, name) && accepts(name, value))
      .map(([name, value]) => [name, asKindOf(state[name], value)]);
    const taken: State = Object.fromEntries(known);
    if (known.length > 0 && echoes()) transmit("echo_update", taken);
    // What is newer there must not be overwritten by what has not been sent yet.
    for (const name of Object.keys(taken)) changed.delete(name);
    await changedBy(assign(taken));
  }

  async function receive({ data, buffers }: CommMessage): Promise<void> {
    if (data.method === "update") return update(data, buffers);
    if (data.method === "request_state") return transmit("update", state);
    if (data.method === "custom") return void (await emit("message", [data.content, buffers]));
    throw new TypeError(
      `a widget's message: update, request_state or custom expected as its method, got ${JSON.stringify(data.method)}`,
    );
  }

  function end(): void {
    closed = true;
    registry().models.delete(model.id);
    registry().unsent.delete(model);
    void emit("close", []);
  }

  const { buffers, ...content } = pack(state);
  const comm =
    given ?? sink().comms?.open(WIDGET_TARGET, content, { metadata: { version: PROTOCOL_VERSION }, buffers });
  const model: Model = {
    id: comm?.id ?? randomUUID().replaceAll("-", ""),
    get closed() {
      return closed;
    },
    get: (key) => state[key],
    set(values) {
      if (closed) throw new Error("the widget is closed");
      const names = Object.keys(values).filter((name) => values[name] !== undefined);
      const taken = Object.fromEntries(names.map((name) => [name, values[name]]));
      // What cannot be sent fails before anything knows of it.
      pack(taken);
      const news = assign(taken);
      for (const name of news) changed.add(name);
      if (news.length > 0) schedule();
      void changedBy(news);
    },
    on(event, handler) {
      const all = handlers.get(event) ?? new Set();
      handlers.set(event, all);
      all.add(handler);
      return () => void all.delete(handler);
    },
    emit,
    send(content, buffers) {
      flush();
      comm?.send({ method: "custom", content }, { buffers });
    },
    close() {
      if (closed) return;
      end();
      comm?.close();
    },
    pack: () => pack(state),
    flush,
  };
  registry().models.set(model.id, model);
  comm?.on("message", receive);
  comm?.on("close", end);
  return model;
}
