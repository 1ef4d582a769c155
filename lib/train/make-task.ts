/** Tasks of plain data. The step itself knows no method by name, and imports none. */
import { type MethodConfig, makeMethod } from "../align/index.ts";
import { makeProcess, type ProcessConfig } from "../diffusion/process.ts";
import { makeNetwork, type NetworkConfig } from "../models/index.ts";
import type { Task } from "./task.ts";

export interface TaskConfig {
  model: NetworkConfig;
  process: ProcessConfig;
  /** None: plain generative training. */
  methods: readonly MethodConfig[];
}

/** What a config says, made. Methods of one's own may stand beside those that configs know. */
export function makeTask({ model, process: config, methods }: TaskConfig): Task {
  const [network, process] = [makeNetwork(model), makeProcess(config)];
  return { network, process, methods: methods.map((method) => makeMethod(method, { network, process })) };
}
