/** Networks from plain data. */
import { type Tensor, tf } from "../tensor/tf.ts";
import { checkTransformerConfig, type TransformerConfig } from "./config.ts";
import type { Network } from "./network.ts";
import { transformerNetwork } from "./transformer.ts";

export type NetworkConfig = TransformerConfig;

/** The network of a config. @throws RangeError naming every field that is missing, unknown or does not fit. */
export function makeNetwork(config: NetworkConfig): Network {
  checkTransformerConfig(config);
  const network = transformerNetwork(config);
  return config.reversedTime ? reversedTime(network) : network;
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
  };
}
