/** Networks small enough to sample many times, whose outputs depend on everything. */
import { DIT_PROCESS, type ProcessConfig, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { makeNetwork, type Network, type TransformerConfig } from "../../lib/models/index.ts";
import {
  mapParams,
  normalTensor,
  type Params,
  type RandomGenerator,
  randomGenerator,
} from "../../lib/tensor/index.ts";
import { SMALL_MODEL } from "../models/small.ts";

/** Random parameters, also where training begins with zeros. */
export const randomParams = (network: Network, random: RandomGenerator): Params =>
  mapParams(network.init(random), (tensor, name) =>
    /adaLN|final/.test(name) ? normalTensor(random, tensor.shape) : tensor,
  );

interface Small {
  network: Network;
  process: ProcessConfig;
  params: Params;
}

const small = (process: ProcessConfig, change: Partial<TransformerConfig>): Small => {
  const network = makeNetwork({ ...SMALL_MODEL, ...change });
  return { network, process, params: randomParams(network, randomGenerator(8)) };
};

export const smallSiT = (change: Partial<TransformerConfig> = {}): Small => small(SIT_PROCESS, change);
export const smallDiT = (change: Partial<TransformerConfig> = {}): Small =>
  small(DIT_PROCESS, { outChannels: 2, ...change });
