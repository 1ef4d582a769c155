export { arrayRows, openArrays, withArrays } from "./arrays.ts";
export {
  type CaptionedOptions,
  type CaptionedSet,
  COLOURS,
  CORNERS,
  captionedDigits,
  type Facts,
} from "./captioned-digits.ts";
export { writeCaptioned } from "./captioned-files.ts";
export {
  CAPTIONS,
  type Captions,
  type CaptionsIndex,
  captionsOfTexts,
  checkedCaptions,
  firstCaptions,
  openCaptions,
  withCaptions,
} from "./captions.ts";
export { centerCrop, decodeImage, encodePng } from "./crop.ts";
export {
  type Dataset,
  type DatasetName,
  type DatasetOptions,
  datasetNames,
  type ImageSet,
  loadDataset,
  loadImageSet,
  type Split,
} from "./datasets.ts";
export type { BrokenImage, PrepareOptions, PrepareResult } from "./destination.ts";
export { asTrainingData, type Examples, imageSetData, type TrainingData } from "./examples.ts";
export { type PrepareFeaturesOptions, prepareFeatures } from "./features.ts";
export { openTrainingData, type TrainingDataOptions } from "./files.ts";
export type { DataIdentity } from "./identity.ts";
export { parseIdx, readIdx } from "./idx.ts";
export { type PrepareLatentsOptions, prepareLatents } from "./latents.ts";
export { type PackOptions, packShards } from "./pack.ts";
export {
  type Box,
  type PillowFilter,
  type Pixels,
  pillowResize,
  pillowResizeFloat,
} from "./pillow-resize.ts";
export { type PrepareImagesOptions, prepareImages } from "./prepare.ts";
export { type PrepareCaptionsOptions, prepareCaptions } from "./prepare-captions.ts";
export { openShards } from "./shards.ts";
export { openSource, type Source, type SourceFile } from "./sources.ts";
export { imageTensor } from "./tensors.ts";
