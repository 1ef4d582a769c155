/** The files of checkpoints in a folder: their names say which step each is of, and they get them when they are whole. */
import { existsSync, readdirSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";

export const checkpointName = (step: number): string => `step-${String(step).padStart(8, "0")}.safetensors`;
const CHECKPOINT_NAME = /^step-(\d{8,})\.safetensors$/;
const UNFINISHED_NAME = /^step-\d{8,}\.safetensors\.\d+-\d+\.tmp$/;
/** Of a run folder, in a manifest. */
export const CHECKPOINT_FILES = "checkpoints/step-*.safetensors*";

/** Removes the halves of checkpoints that a killed run was writing. */
export async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [] as string[]);
  for (const name of names.filter((n) => UNFINISHED_NAME.test(n)))
    await rm(join(folder, name), { force: true });
}

/** Checkpoints of a folder, oldest first. */
export async function listCheckpoints(folder: string): Promise<{ path: string; step: number }[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  return checkpointsOf(names).map(({ name, step }) => ({ path: join(folder, name), step }));
}

const checkpointsOf = (names: readonly string[]): { name: string; step: number }[] =>
  names
    .map((name) => CHECKPOINT_NAME.exec(name))
    .filter((match) => match !== null)
    .map(([name, step]) => ({ name, step: Number(step) }))
    .sort((a, b) => a.step - b.step);

/** The newest checkpoint of a run, if it has one. */
export function newestCheckpoint(runFolder: string): { path: string; step: number } | undefined {
  const folder = join(runFolder, "checkpoints");
  if (!existsSync(folder)) return undefined;
  const newest = checkpointsOf(readdirSync(folder)).at(-1);
  return newest && { path: join(folder, newest.name), step: newest.step };
}
