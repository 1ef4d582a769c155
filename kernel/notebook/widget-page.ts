/** A notebook's widgets in its page: controls as they stood, and modules of their own, which run on the saved state. */

import { escapeHtml } from "../display/table.ts";
import { type Lookup, staticHtml, staticText } from "../widgets/static.ts";
import { WIDGET_VIEW } from "../widgets/widget.ts";
import type { SavedModels } from "./widget-state.ts";

/**
 * What a module gets in a page: anywidget's model over the saved state. Nobody hears what is sent, but the module's own
 * handlers hear what it sets. Until it has drawn, and where it cannot, the page shows the state as text.
 */
const RUNTIME = `async (place, { module, css, state, buffers }) => {
  for (const { path, data } of buffers) {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    path.slice(0, -1).reduce((value, key) => value[key], state)[path.at(-1)] = new DataView(bytes.buffer);
  }
  const handlers = new Map();
  const call = (event, ...values) => [...(handlers.get(event) ?? [])].forEach((handler) => handler(...values));
  const model = {
    get: (key) => state[key],
    set(first, value) {
      const values = typeof first === "object" ? first : { [first]: value };
      const changed = Object.keys(values).filter((key) => state[key] !== values[key]);
      Object.assign(state, values);
      for (const key of changed) call("change:" + key, model, state[key]);
      if (changed.length > 0) call("change", model);
    },
    save_changes() {},
    send() {},
    on(event, handler) { handlers.set(event, (handlers.get(event) ?? new Set()).add(handler)); },
    off(event, handler) {
      if (!event) handlers.clear();
      else if (handler) handlers.get(event)?.delete(handler);
      else handlers.delete(event);
    },
  };
  const isAddress = /^https?:/.test(module);
  const address = isAddress ? module : URL.createObjectURL(new Blob([module], { type: "text/javascript" }));
  const loaded = await import(address);
  const made = loaded.default ?? loaded;
  const widget = typeof made === "function" ? await made() : made;
  if (css) {
    const sheet = /^https?:/.test(css)
      ? Object.assign(document.createElement("link"), { rel: "stylesheet", href: css })
      : Object.assign(document.createElement("style"), { textContent: css });
    document.head.append(sheet);
  }
  const signal = new AbortController().signal;
  await widget.initialize?.({ model, signal });
  const el = document.createElement("div");
  await widget.render?.({ model, el, signal });
  place.replaceChildren(el);
}`;

/** JSON that may stand in a script. */
const inScript = (value: unknown): string => JSON.stringify(value).replaceAll("<", "\\u003c");

export interface WidgetPage {
  /** A shown widget's HTML; undefined for what is none, or whose state the notebook has not kept. */
  render(data: Record<string, unknown>): string | undefined;
}

/** @param outputs renders what an output area holds */
export function widgetPage(
  models: SavedModels,
  outputs: (outputs: readonly unknown[]) => string,
): WidgetPage {
  // JupyterLab saves neither names that are a model's own nor values that it has by itself.
  const lookup: Lookup = (id) => {
    if (!Object.hasOwn(models, id)) return undefined;
    const { model_name, model_module, state } = models[id];
    return { _model_name: model_name, _model_module: model_module, ...state };
  };
  let count = 0;

  function custom(id: string, state: Record<string, unknown>): string {
    const place = `widget-${++count}`;
    const { _esm, _css, layout: _, ...rest } = state;
    const own = Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith("_")));
    const given = {
      module: String(_esm ?? ""),
      css: String(_css ?? ""),
      state: own,
      buffers: models[id]?.buffers ?? [],
    };
    return `<div id="${place}"><pre class="result">${escapeHtml(staticText(state, lookup))}</pre></div>
<script type="module">(${RUNTIME})(document.getElementById("${place}"), ${inScript(given)}).catch(console.error);</script>`;
  }

  return {
    render(data) {
      const { model_id } = (data[WIDGET_VIEW] ?? {}) as { model_id?: unknown };
      const id = String(model_id);
      const state = lookup(id);
      return state && `<div class="widget">${staticHtml(state, lookup, { outputs, custom }, id)}</div>`;
    },
  };
}
