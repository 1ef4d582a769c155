export { type ImageDecoder, imageDecoder } from "./decoder.ts";
export { loadPipeline, type Pipeline, type PipelineOptions, type PipelineSampleOptions } from "./pipeline.ts";
export type { Samples } from "./samples.ts";
export { loadSource, type PipelineSource, type PipelineSourceOptions } from "./source.ts";
