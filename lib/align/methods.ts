/** The alignment methods: plain data, and what training needs of each. */

import { describedBy } from "../described.ts";
import { z } from "../schema.ts";
import { type DispersiveConfig, dispersive, dispersiveConfig } from "./dispersive.ts";
import { type DTSASConfig, dtsAS, dtsASConfig } from "./dts-as.ts";
import { type LayerSyncConfig, layerSync, layerSyncConfig } from "./layersync.ts";
import type { Method, Setting } from "./method.ts";
import { type REPAConfig, repa, repaConfig } from "./repa.ts";
import { type SelfFlowConfig, selfFlow, selfFlowConfig } from "./self-flow.ts";
import { type SRAConfig, sra, sraConfig } from "./sra.ts";

export const methodConfig = z.discriminatedUnion("method", [
  sraConfig,
  dtsASConfig,
  selfFlowConfig,
  repaConfig,
  layerSyncConfig,
  dispersiveConfig,
]);
/** One method's settings. */
export type MethodConfig =
  | SRAConfig
  | DTSASConfig
  | SelfFlowConfig
  | REPAConfig
  | LayerSyncConfig
  | DispersiveConfig;

/** A method for a network and a process. */
export const makeMethod = (config: MethodConfig, setting: Setting): Method =>
  describedBy(made(config, setting), config);

function made(config: MethodConfig, setting: Setting): Method {
  switch (config.method) {
    case "sra":
      return sra(config, setting);
    case "dts-as":
      return dtsAS(config, setting);
    case "self-flow":
      return selfFlow(config, setting);
    case "repa":
      return repa(config, setting);
    case "layersync":
      return layerSync(config, setting);
    case "dispersive":
      return dispersive(config, setting);
  }
}
