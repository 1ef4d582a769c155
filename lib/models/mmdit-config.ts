/** What an MMDiT is: plain data, checked by one schema. */
import { count, positive, z } from "../schema.ts";

/** Side of the table of positions, in patches; a smaller image has its middle. */
export const POSITIONS = 16;

export const mmditConfig = z
  .strictObject({
    type: z.literal("mmdit", "mmdit").describe("The transformer of two streams, image and text."),
    inputSize: count("Height and width of the input: pixels, or latents."),
    patchSize: count(`Side of the square patches that become tokens; at most ${POSITIONS} fit a side.`),
    inChannels: count("Channels of the input, and of the output."),
    hiddenSize: count("Width D of the tokens; a multiple of 4 and of numHeads."),
    depth: count("Joint blocks."),
    numHeads: count("Attention heads."),
    mlpRatio: positive("Width of the MLPs inside a block, in units of D."),
    textWidth: count("Width of a caption's features: 768 of CLIP ViT-L/14."),
    textTokens: count("Tokens of a caption: 77 of CLIP, padded."),
  })
  .superRefine(({ inputSize, patchSize, hiddenSize, numHeads }, context) => {
    const fail = (field: string, expected: string): void =>
      context.addIssue({ code: "custom", path: [field], message: expected });
    if (inputSize % patchSize !== 0) fail("inputSize", `a multiple of patchSize ${patchSize}`);
    else if (inputSize / patchSize > POSITIONS)
      fail("inputSize", `at most ${POSITIONS} patches of ${patchSize}, which the table of positions has`);
    if (hiddenSize % numHeads !== 0 || hiddenSize % 4 !== 0)
      fail("hiddenSize", `a multiple of 4 and of numHeads ${numHeads}`);
  });

export type MMDiTConfig = z.infer<typeof mmditConfig>;
