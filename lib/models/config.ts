/** What a transformer is: plain data, checked by one schema. */
import { check, count, flag, positive, z } from "../schema.ts";

export const transformerConfig = z
  .strictObject({
    type: z
      .literal("transformer", "transformer")
      .describe("The class-conditional transformer of DiT and SiT; the default.")
      .optional(),
    inputSize: count("Height and width of the input: pixels, or latents."),
    patchSize: count("Side of the square patches that become tokens."),
    inChannels: count("Channels of the input."),
    outChannels: count(
      "Channels of the output: twice those of the input where a DiT learns the variance. Default: those of the input.",
    ).optional(),
    hiddenSize: count("Width D of the tokens; a multiple of 4 and of numHeads."),
    depth: count("Blocks."),
    numHeads: count("Attention heads."),
    mlpRatio: positive("Width of the MLP inside a block, in units of D."),
    numClasses: z
      .int("an integer of 0 or more")
      .min(0, "an integer of 0 or more")
      .describe(
        "Classes 0 .. numClasses-1; class id `numClasses` is the null class of guidance. 0: the network knows no classes.",
      ),
    qkNorm: flag("Layer-normalize queries and keys per head."),
    reversedTime: flag(
      "SiT's first release: told 1 - t, it predicts the opposite velocity; what lies beyond the input's channels is left out. Default: no.",
    ).optional(),
  })
  .superRefine(({ inputSize, patchSize, hiddenSize, numHeads }, context) => {
    const fail = (field: string, expected: string): void =>
      context.addIssue({ code: "custom", path: [field], message: expected });
    if (inputSize % patchSize !== 0) fail("inputSize", `a multiple of patchSize ${patchSize}`);
    if (hiddenSize % numHeads !== 0 || hiddenSize % 4 !== 0)
      fail("hiddenSize", `a multiple of 4 and of numHeads ${numHeads}`);
  });

export type TransformerConfig = z.infer<typeof transformerConfig>;

/** Fields that most transformers have alike. */
export const TRANSFORMER_DEFAULTS = { mlpRatio: 4, qkNorm: false } as const;

/** @throws RangeError naming every field that is missing, unknown or does not fit. */
export const checkTransformerConfig = (config: TransformerConfig): void =>
  check(transformerConfig, config, "model config");
