/** What a transformer is: plain data, checked by one schema. */
import { diffusionConfig } from "../diffusion/gaussian.ts";
import { check, count, flag, positive, z } from "../schema.ts";

export const transformerConfig = z
  .strictObject({
    inputSize: count("Height and width of the input: pixels, or latents."),
    patchSize: count("Side of the square patches that become tokens."),
    inChannels: count("Channels of the input."),
    hiddenSize: count("Width D of the tokens; a multiple of 4 and of numHeads."),
    depth: count("Blocks."),
    numHeads: count("Attention heads."),
    mlpRatio: positive("Width of the MLP inside a block, in units of D."),
    numClasses: count("Classes 0 .. numClasses-1; class id `numClasses` is the null class of guidance."),
    qkNorm: flag("Layer-normalize queries and keys per head."),
    projectionHead: flag("Carry the projection head of SRA (`ap_head`), twice as wide inside."),
    diffusion: diffusionConfig
      .optional()
      .describe(
        "The process whose noise (and variance) a DiT predicts; a SiT has none, and predicts velocity.",
      ),
  })
  .superRefine(({ inputSize, patchSize, hiddenSize, numHeads }, context) => {
    const fail = (field: string, expected: string): void =>
      context.addIssue({ code: "custom", path: [field], message: expected });
    if (inputSize % patchSize !== 0) fail("inputSize", `a multiple of patchSize ${patchSize}`);
    if (hiddenSize % numHeads !== 0 || hiddenSize % 4 !== 0)
      fail("hiddenSize", `a multiple of 4 and of numHeads ${numHeads}`);
  });

export type TransformerConfig = z.infer<typeof transformerConfig>;

/** DiT or SiT: whether it has a diffusion process. */
export const familyOf = ({ diffusion }: Pick<TransformerConfig, "diffusion">): "DiT" | "SiT" =>
  diffusion ? "DiT" : "SiT";

/** @throws RangeError naming every field that is missing, unknown or does not fit. */
export const checkTransformerConfig = (config: TransformerConfig): void =>
  check(transformerConfig, config, `${familyOf(config)} config`);
