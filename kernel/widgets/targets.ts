/** The targets that a front end's widgets open in the kernel. */
import type { Comm, CommMessage, Comms } from "../comms/comms.ts";
import { putBuffers } from "./buffers.ts";
import { createModel, type State, WIDGET_TARGET } from "./model.ts";
import { registry } from "./registry.ts";

const CONTROL_TARGET = "jupyter.widget.control";

function checkVersion({ metadata }: CommMessage, target: string, major: string): void {
  const version = String(metadata.version ?? "");
  if (version.split(".")[0] !== major)
    throw new Error(`${target}: version ${major} of its protocol expected, got ${JSON.stringify(version)}`);
}

/** All live models in one message: a page that was loaded again makes its own from them. */
function sendStates(comm: Comm): void {
  const states: State = {};
  const buffer_paths: unknown[] = [];
  const buffers: Uint8Array[] = [];
  for (const model of registry().models.values()) {
    const packed = model.pack();
    const { _model_name, _model_module, _model_module_version } = packed.state;
    states[model.id] = {
      model_name: _model_name,
      model_module: _model_module,
      model_module_version: _model_module_version,
      state: packed.state,
    };
    buffer_paths.push(...packed.buffer_paths.map((path) => [model.id, "state", ...path]));
    buffers.push(...packed.buffers);
  }
  comm.send({ method: "update_states", states, buffer_paths }, { buffers });
}

export function registerWidgets(comms: Comms): void {
  comms.register(CONTROL_TARGET, (comm, message) => {
    checkVersion(message, CONTROL_TARGET, "1");
    comm.on("message", ({ data }) => {
      if (data.method !== "request_states")
        throw new TypeError(
          `${CONTROL_TARGET}: request_states expected as the method, got ${JSON.stringify(data.method)}`,
        );
      sendStates(comm);
    });
  });
  // A front end may make a model of its own, such as a layout.
  comms.register(WIDGET_TARGET, (comm, message) => {
    checkVersion(message, WIDGET_TARGET, "2");
    const { state, buffer_paths } = message.data;
    if (typeof state !== "object" || state === null)
      throw new TypeError(`${WIDGET_TARGET}: a state expected in what opens a comm, got ${typeof state}`);
    const values = { ...(state as State) };
    putBuffers(values, buffer_paths, message.buffers);
    createModel(values, { comm });
  });
}
