/** The models that `ditlab sample` draws from. */
import type { InterpolantName, ProcessConfig } from "../diffusion/index.ts";
import { loadPipeline, type Pipeline, type PipelineOptions } from "../pipeline/index.ts";
import { readModel } from "./config.ts";
import { loading } from "./download.ts";
import type { SampleOptions } from "./sampler-options.ts";

/** What to sample from: a run of ours, or a file of weights for a model of the zoo. */
export async function loadSampled(run: string | undefined, options: SampleOptions): Promise<Pipeline> {
  const { checkpoint, model, vae, weights, emaDecay, interpolant } = options;
  const common = { vae, weights, emaDecay };
  if (checkpoint !== undefined) {
    if (run !== undefined) throw new Error(`expected a run or --checkpoint, got both: ${run}, ${checkpoint}`);
    if (model === undefined) throw new Error("--checkpoint needs --model, for example --model SiT-XL/2");
    return pipelineOf(checkpoint, { ...common, ...(await modelOf(model, interpolant)) });
  }
  if (run === undefined)
    throw new Error("expected a run folder or checkpoint of ours, or --checkpoint and --model");
  if (model !== undefined)
    throw new Error(`--model is for the weights of --checkpoint; the run ${run} has a model of its own`);
  return pipelineOf(run, common);
}

/** A model's name or config, and what it was trained on. */
async function modelOf(model: string, interpolant: InterpolantName): Promise<PipelineOptions> {
  const read = await readModel(model);
  const process: ProcessConfig = { type: "interpolant", path: interpolant, times: "uniform" };
  return { ...read, ...(interpolant !== "linear" && { process }) };
}

async function pipelineOf(source: string, options: PipelineOptions): Promise<Pipeline> {
  const reporter = loading();
  const pipeline = await loadPipeline(source, { ...options, onLoad: reporter.onLoad });
  reporter.end();
  return pipeline;
}

/** The weaker model that guides, if one is asked for. */
export async function loadWeaker({
  weaker,
  weakerModel,
  interpolant,
}: SampleOptions): Promise<Pipeline | undefined> {
  if (weaker === undefined) {
    if (weakerModel !== undefined)
      throw new Error("--weaker-model is for the weights of --weaker; expected both");
    return undefined;
  }
  return pipelineOf(weaker, weakerModel === undefined ? {} : await modelOf(weakerModel, interpolant));
}
