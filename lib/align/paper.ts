/** The settings of SRA that the paper gives for each model (table 5). */
import { type ModelName, type ModelSize, parseModelName } from "../models/zoo.ts";
import { SRA_DEFAULTS, type SRAConfig } from "./sra.ts";

/** Blocks m of the student and n of the teacher. The paper has no S; it has B's depth, and takes its blocks. */
const BLOCKS: Readonly<
  Record<"DiT" | "SiT", Record<ModelSize, readonly [student: number, teacher: number]>>
> = {
  SiT: { S: [3, 8], B: [3, 8], L: [6, 16], XL: [8, 20] },
  DiT: { S: [3, 7], B: [3, 7], L: [6, 14], XL: [8, 16] },
};

/** SRA as the paper trains a model: its blocks, and an interval of [0, 0.2) in time or [0, 200) in steps. */
export function paperSRA(name: ModelName): SRAConfig {
  const { family, size } = parseModelName(name);
  const [studentBlock, teacherBlock] = BLOCKS[family][size];
  return {
    ...SRA_DEFAULTS,
    studentBlock,
    teacherBlock,
    interval: family === "DiT" ? [0, 200] : [0, 0.2],
  };
}
