/** `ditlab train` on a small model, as a command for launchers. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { smallIdxFolder } from "../cli/helpers.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { SMALL_MODEL } from "../models/small.ts";
import { smallConfig } from "../train/small.ts";

export const model = { ...SMALL_MODEL, inputSize: 28, patchSize: 7, numClasses: 10 };
export const data = await smallIdxFolder();

/** A run that would take a minute, in a folder of its own, whose ranks wait so many seconds for each other. */
export async function trainCommand(patience: number, steps = 3000): Promise<{ out: string; args: string[] }> {
  const out = join(await temporaryFolder(), "run");
  const config = `${out}.json`;
  await writeFile(config, JSON.stringify(smallConfig({ model, steps, checkpointEvery: 20, logEvery: 10 })));
  const args = [
    "lib/cli/bin.js",
    "train",
    "--config",
    config,
    "--dataset",
    "mnist",
    "--data",
    data,
    "--out",
    out,
  ];
  return { out, args: [...args, "--rank-timeout", String(patience)] };
}

export async function until(what: () => boolean, seconds = 60): Promise<void> {
  for (const end = Date.now() + 1000 * seconds; !what(); await sleep(50))
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain`);
}

export const hasCheckpoint = (out: string): boolean =>
  existsSync(join(out, "checkpoints")) &&
  readdirSync(join(out, "checkpoints")).some((name) => name.endsWith(".safetensors"));

export const sentences = (text: string): string[] =>
  text.split("\n").filter((line) => line.startsWith("ditlab: "));

interface Process {
  pid: number;
  rank: number;
  /** Whether it computes, or watches the one that does. */
  computes: boolean;
  state: string;
}

/** The ranks' processes whose command line holds a text. */
export function processesOf(text: string): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text)) return [];
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
        const rank = /\b(?:OMPI_COMM_WORLD_RANK|PMI_RANK)=(\d+)/.exec(environment)?.[1];
        const state = /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))![1];
        if (rank === undefined || state === "Z") return [];
        const computes = environment.includes("DITLAB_RANK_PROCESS=1");
        return [{ pid: Number(pid), rank: Number(rank), computes, state }];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}
