export { TRANSFORMER_DEFAULTS, type TransformerConfig } from "./config.ts";
export { forwardMultiplyAdds, parameterCount } from "./counts.ts";
export { type LoadOptions, loadModel, type Model } from "./load.ts";
export { makeNetwork, type NetworkConfig } from "./make.ts";
export { croppedPositions, type JointTokens, jointBlock } from "./mmdit.ts";
export type { MMDiTConfig } from "./mmdit-config.ts";
export {
  type ApplyOptions,
  type Condition,
  checkNetworkParams,
  type Network,
  type NetworkOutput,
} from "./network.ts";
export { attentionMaps, type BlockOptions, transformerBlock } from "./transformer.ts";
export {
  MODEL_FAMILIES,
  MODEL_NAMES,
  MODEL_PATCHES,
  MODEL_SIZES,
  type ModelFamily,
  type ModelName,
  type ModelSize,
  modelConfig,
  type ParsedName,
  parseModelName,
  TEXT_MODEL,
  type TransformerName,
} from "./zoo.ts";
