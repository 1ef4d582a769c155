/** The least scale at which experiments run. */
import type { SmallScale } from "../../lib/reproduce/index.ts";

export const scale: SmallScale = {
  about: "the least",
  seeds: [0, 1, 2],
  dataset: "mnist",
  captioned: { dataset: "mnist", steps: 4 },
  textModel: { depth: 3, hiddenSize: 8, numHeads: 2, patchSize: 4 },
  trained: ["B"],
  probed: "B",
  judged: "facts",
  widths: { B: [8, 2], L: [8, 2], XL: [8, 2] },
  patchSize: 4,
  steps: 4,
  batchSize: 4,
  learningRate: 1e-3,
  evaluation: {
    generated: 20,
    samplerSteps: 2,
    reference: 80,
    probeTrain: 40,
    probeTest: 40,
    probeTimesteps: [0.1, 0.3, 0.5, 0.7],
  },
};
