export { DIT_DEFAULTS, type DiTConfig, type DiTOutput, dit, initDiT } from "./dit.ts";
export { type LoadOptions, loadModel, type Model } from "./load.ts";
export { initSiT, SIT_DEFAULTS, type SiTConfig, type SiTOutput, sit } from "./sit.ts";
export {
  checkTransformerParams,
  initTransformer,
  isTrainable,
  outChannels,
  type TransformerConfig,
  type TransformerOptions,
  type TransformerOutput,
  transformer,
  transformerBlock,
  transformerFeatures,
  transformerShapes,
} from "./transformer.ts";
export {
  forwardMultiplyAdds,
  MODEL_FAMILIES,
  MODEL_NAMES,
  MODEL_PATCHES,
  MODEL_SIZES,
  type ModelFamily,
  type ModelName,
  type ModelSize,
  modelConfig,
  parameterCount,
  parseModelName,
} from "./zoo.ts";
