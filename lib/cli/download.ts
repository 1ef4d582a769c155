import { Command } from "commander";
import { fetchPublished, pathOrPublished, publishedNames } from "../io/index.ts";
import { progressReporter } from "./progress.ts";

/** Shows each file's progress. */
function watched() {
  const reporter = progressReporter();
  let current: string | undefined;
  return {
    onProgress(file: string, received: number, total?: number): void {
      if (file !== current) {
        if (current) reporter.end();
        reporter.begin(file, total ?? received);
        current = file;
      }
      reporter.update(received);
    },
    end(): void {
      if (current) reporter.end();
    },
  };
}

/** A path, or the path of what is published under that name, downloaded with progress. */
export async function fetched(path: string): Promise<string> {
  const progress = watched();
  const found = await pathOrPublished(path, progress);
  progress.end();
  return found;
}

export const downloadCommand = (): Command =>
  new Command("download")
    .description("download published weights and tables by name, and print where they are")
    .argument("[name]", "what to download; without it, the names")
    .action(async (name: string | undefined) => {
      if (name === undefined) {
        for (const { name, about } of publishedNames) process.stdout.write(`${name.padEnd(26)}${about}\n`);
        return;
      }
      const progress = watched();
      const path = await fetchPublished(name.replace(/\.pt$/, ""), progress);
      progress.end();
      process.stdout.write(`${path}\n`);
    });
