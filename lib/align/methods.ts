/** The alignment methods: plain data, and what training needs of each. */

import { z } from "../schema.ts";
import { dispersive, dispersiveConfig } from "./dispersive.ts";
import { layerSync, layerSyncConfig } from "./layersync.ts";
import type { Method, Setting } from "./method.ts";
import { repa, repaConfig } from "./repa.ts";
import { sra, sraConfig } from "./sra.ts";

export const methodConfig = z.discriminatedUnion("method", [
  sraConfig,
  repaConfig,
  layerSyncConfig,
  dispersiveConfig,
]);
/** One method's settings. */
export type MethodConfig = z.infer<typeof methodConfig>;

/** A method for a network and a process. */
export function makeMethod(config: MethodConfig, setting: Setting): Method {
  switch (config.method) {
    case "sra":
      return sra(config, setting);
    case "repa":
      return repa(config, setting);
    case "layersync":
      return layerSync(config, setting);
    case "dispersive":
      return dispersive(config, setting);
  }
}
