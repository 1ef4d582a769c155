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
export { parseIdx, readIdx } from "./idx.ts";
export { imageTensor } from "./tensors.ts";
