/** Whether what a run is given fits its task. */
import type { TrainingData } from "../data/index.ts";
import { neededArrays } from "./batches.ts";
import { hasFrozenTeacher, NO_TEACHER, type Task } from "./task.ts";
import type { TrainingOptions } from "./training.ts";

/** A frozen teacher is given where a method has one, and only there. */
export function checkTeacher(
  task: Task,
  { frozenTeacher, folder, resume }: Pick<TrainingOptions, "frozenTeacher" | "folder" | "resume">,
): void {
  const isKept = folder !== undefined && resume;
  if (!hasFrozenTeacher(task) && frozenTeacher)
    throw new Error("a frozen teacher was given, but no method of the config has one; expected none");
  if (hasFrozenTeacher(task) && !frozenTeacher && !isKept) throw new Error(NO_TEACHER);
}

/** What a run is trained on fits what it trains. @throws naming what does not */
export function checkData(
  { name, shape, classes, arrays = {}, nothing = {} }: TrainingData,
  task: Task,
  dropout: number,
): void {
  const { input, classes: known } = task.network;
  if (shape.join() !== input.join())
    throw new Error(`${name} are ${shape.join("x")}, but the model expects ${input.join("x")}`);
  if (known > 0 && classes > known)
    throw new Error(`labels of ${name} go up to ${classes - 1}, but the model has ${known} classes`);
  if (classes === 0 && known > 1)
    throw new Error(`${name} have no labels, but the model has ${known} classes, expected 1 or none`);
  for (const [array, expected] of Object.entries(neededArrays(task))) {
    const got = arrays[array];
    if (got?.join() !== expected.join())
      throw new Error(
        `${name} need the array '${array}' with [${expected}] numbers for each image, got ${got ? `[${got}]` : "none"}`,
      );
  }
  for (const array of Object.keys(task.network.nothing ?? {}))
    if (dropout > 0 && !nothing[array])
      throw new Error(
        `${name} do not say what the array '${array}' is where nothing is said of an image, as of the empty caption; expected it, or classDropout 0`,
      );
}
