export {
  checkSiTParams,
  initSiT,
  isTrainable,
  SIT_DEFAULTS,
  type SiTConfig,
  type SiTOptions,
  type SiTOutput,
  sit,
  sitBlock,
  sitFeatures,
  sitShapes,
} from "./sit.ts";
