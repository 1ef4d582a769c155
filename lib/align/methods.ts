/** The alignment methods: plain data, and what training needs of each. */

import { describedBy } from "../described.ts";
import { z } from "../schema.ts";
import { type AttentionConfig, attentionAlignment, attentionConfig } from "./attention.ts";
import { type ContrastiveConfig, contrastive, contrastiveConfig } from "./contrastive.ts";
import { type DispersiveConfig, dispersive, dispersiveConfig } from "./dispersive.ts";
import { type DTSASConfig, dtsAS, dtsASConfig } from "./dts-as.ts";
import { type LayerSyncConfig, layerSync, layerSyncConfig } from "./layersync.ts";
import type { Method, Setting } from "./method.ts";
import { type REPAConfig, repa, repaConfig } from "./repa.ts";
import { type SelfFlowConfig, selfFlow, selfFlowConfig } from "./self-flow.ts";
import {
  type LatentGuidanceConfig,
  latentGuidance,
  latentGuidanceConfig,
  type SelfTranscendenceConfig,
  selfTranscendence,
  selfTranscendenceConfig,
} from "./self-transcendence.ts";
import { type SRAConfig, sra, sraConfig } from "./sra.ts";
import { type SRA2Config, sra2, sra2Config } from "./sra2.ts";

export const methodConfig = z.discriminatedUnion("method", [
  sraConfig,
  dtsASConfig,
  selfFlowConfig,
  sra2Config,
  repaConfig,
  layerSyncConfig,
  dispersiveConfig,
  contrastiveConfig,
  latentGuidanceConfig,
  selfTranscendenceConfig,
  attentionConfig,
]);
/** One method's settings. */
export type MethodConfig =
  | SRAConfig
  | DTSASConfig
  | SelfFlowConfig
  | SRA2Config
  | REPAConfig
  | LayerSyncConfig
  | DispersiveConfig
  | ContrastiveConfig
  | LatentGuidanceConfig
  | SelfTranscendenceConfig
  | AttentionConfig;

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
    case "sra2":
      return sra2(config, setting);
    case "repa":
      return repa(config, setting);
    case "layersync":
      return layerSync(config, setting);
    case "dispersive":
      return dispersive(config, setting);
    case "contrastive":
      return contrastive(config, setting);
    case "self-transcendence-1":
      return latentGuidance(config, setting);
    case "self-transcendence":
      return selfTranscendence(config, setting);
    case "attention":
      return attentionAlignment(config, setting);
  }
}
