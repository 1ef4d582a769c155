/** Networks from plain data. */
import { describedBy } from "../described.ts";
import { check, z } from "../schema.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type TransformerConfig, transformerConfig } from "./config.ts";
import { mmditNetwork } from "./mmdit.ts";
import { type MMDiTConfig, mmditConfig } from "./mmdit-config.ts";
import type { Network } from "./network.ts";
import { transformerNetwork } from "./transformer.ts";

/** What a config may say of a network. One that does not say its type is a class-conditional transformer. */
export const networkConfig = z.discriminatedUnion("type", [transformerConfig, mmditConfig]);
export type NetworkConfig = TransformerConfig | MMDiTConfig;

/** The network of a config. @throws RangeError naming every field that is missing, unknown or does not fit. */
export function makeNetwork(config: NetworkConfig): Network {
  check(networkConfig, config, "model config");
  if (config.type === "mmdit") return describedBy(mmditNetwork(config), config);
  const network = transformerNetwork(config);
  return describedBy(config.reversedTime ? reversedTime(network) : network, config);
}

/**
 * A network that was trained in SiT's first convention (0 is noise, 1 is data), in ours: it is told 1 - t, and what it
 * predicts points the other way. That release also has channels for a variance, which nothing ever trained.
 */
function reversedTime(network: Network): Network {
  const [channels] = network.input;
  const turned = (t: Tensor): Tensor => tf.sub(1, t);
  return {
    ...network,
    outChannels: channels,
    apply(params, x, t, condition, options) {
      const { output, taps } = network.apply(params, x, turned(t), condition, options);
      const [velocity] =
        network.outChannels === channels
          ? [output]
          : tf.split(output, [channels, network.outChannels - channels], 1);
      return { output: tf.neg(velocity), taps };
    },
    features: (params, x, t, condition, options) =>
      network.features(params, x, turned(t), condition, options),
    queriesAndKeys: (params, block, tokens, t, condition) =>
      network.queriesAndKeys!(params, block, tokens, turned(t), condition),
  };
}
