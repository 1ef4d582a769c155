export { cacheFolder } from "../home.ts";
export { float16ToNumber, scalarOf, toFloat32, toFloat64, widenHalf } from "./convert.ts";
export { type Checksum, type DownloadOptions, download, type RemoteFile } from "./download.ts";
export { UnsupportedType } from "./dtypes.ts";
export { readBytes, writeAtomic, writePartsAtomic } from "./files.ts";
export {
  type GridOptions,
  type Images,
  imageGrid,
  pngGrid,
  readSamplesNpz,
  threeChannels,
  toUint8Images,
  writePngGrid,
  writeSamplesNpz,
} from "./images.ts";
export { appendJsonLine, readJsonLines, truncateJsonLines } from "./json-lines.ts";
export {
  type ArrayTypes,
  bytesPerElement,
  type DType,
  type DTypeOf,
  elementCount,
  fromBytes,
  type NdArray,
  type NumericDType,
  ndarray,
  toBytes,
} from "./ndarray.ts";
export { formatNpy, parseNpy } from "./npy.ts";
export { type ArrayRows, openNpyRows } from "./npy-rows.ts";
export { readNpz, type StreamedArray, writeNpz, writeNpzStream } from "./npz.ts";
export {
  fetchPublished,
  type PublishedName,
  type PublishedOptions,
  pathOrPublished,
  publishedModel,
  publishedNames,
} from "./published.ts";
export {
  type OpenSafetensors,
  openSafetensors,
  readSafetensors,
  type SafetensorsFile,
  writeSafetensors,
} from "./safetensors.ts";
export { fromTensor, tensorsOf, toTensor } from "./tensors.ts";
export {
  type Dict,
  Global,
  openTorch,
  PythonObject,
  type TorchFile,
  type TorchStorage,
  TorchTensor,
  type TorchValue,
  writeTorch,
} from "./torch/index.ts";
export { openWeights, type WeightFile, type WeightsName } from "./weights.ts";
