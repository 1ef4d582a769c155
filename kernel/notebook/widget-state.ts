/** The widgets of a run, as a notebook keeps them: what their models were at its end. */
import type { Json, Message } from "../protocol/message.ts";
import { pack, putBuffers } from "../widgets/buffers.ts";
import { WIDGET_TARGET } from "../widgets/model.ts";
import type { Notebook } from "./format.ts";

const WIDGET_STATE = "application/vnd.jupyter.widget-state+json";

interface SavedModel {
  readonly model_name: string;
  readonly model_module: string;
  readonly model_module_version: string;
  readonly state: Json;
  readonly buffers?: readonly {
    readonly encoding: "base64";
    readonly path: readonly (string | number)[];
    readonly data: string;
  }[];
}

export type SavedModels = Readonly<Record<string, SavedModel>>;

export interface WidgetCollector {
  /** Hears what the kernel publishes. */
  hear(message: Message): void;
  /** Writes the models that are open into a notebook, in place of earlier ones. */
  save(notebook: Notebook): void;
}

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null;

function saved(values: Json): SavedModel {
  const { state, buffer_paths, buffers } = pack(values);
  return {
    model_name: String(state._model_name),
    model_module: String(state._model_module),
    model_module_version: String(state._model_module_version),
    state,
    ...(buffers.length > 0
      ? {
          buffers: buffers.map((bytes, i) => {
            return { encoding: "base64", path: buffer_paths[i], data: Buffer.from(bytes).toString("base64") };
          }),
        }
      : {}),
  };
}

export function collectWidgets(): WidgetCollector {
  const models = new Map<string, Json>();
  return {
    hear({ header, content, buffers }) {
      const id = String(content.comm_id);
      if (header.msg_type === "comm_close") models.delete(id);
      if (!isObject(content.data) || !isObject(content.data.state)) return;
      if (header.msg_type === "comm_open" && content.target_name === WIDGET_TARGET) models.set(id, {});
      const model = models.get(id);
      if (!model) return;
      const { state, buffer_paths } = content.data;
      putBuffers(state as Json, buffer_paths, buffers);
      Object.assign(model, state);
    },
    save(notebook) {
      const { [WIDGET_STATE]: _, ...others } = (notebook.metadata.widgets ?? {}) as Json;
      const state = Object.fromEntries([...models].map(([id, values]) => [id, saved(values)]));
      if (models.size > 0) others[WIDGET_STATE] = { version_major: 2, version_minor: 0, state };
      if (Object.keys(others).length > 0) notebook.metadata.widgets = others;
      else delete notebook.metadata.widgets;
    },
  };
}

/** The models that a notebook has kept. */
export function savedModels({ metadata }: Notebook): SavedModels {
  const kept = isObject(metadata.widgets) ? metadata.widgets[WIDGET_STATE] : undefined;
  if (!isObject(kept) || !isObject(kept.state)) return {};
  return Object.fromEntries(
    Object.entries(kept.state).filter(
      (entry): entry is [string, SavedModel] => isObject(entry[1]) && isObject(entry[1].state),
    ),
  );
}
