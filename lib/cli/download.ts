import { Command } from "commander";
import { fetchPublished, pathOrPublished, publishedNames } from "../io/index.ts";
import { progressReporter } from "./progress.ts";

/** Shows how far one thing after another is: files, or weights. */
export function loading() {
  const reporter = progressReporter();
  let current: string | undefined;
  const end = (): void => {
    if (current) reporter.end();
    current = undefined;
  };
  return {
    onLoad(what: string, done: number, total?: number): void {
      if (what !== current) {
        end();
        reporter.begin(what, total ?? done);
        current = what;
      }
      reporter.update(done);
    },
    end,
  };
}

/** A path, or the path of what is published under that name, downloaded with progress. */
export async function fetched(path: string): Promise<string> {
  const progress = loading();
  const found = await pathOrPublished(path, { onProgress: progress.onLoad });
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
      const progress = loading();
      const path = await fetchPublished(name.replace(/\.pt$/, ""), { onProgress: progress.onLoad });
      progress.end();
      process.stdout.write(`${path}\n`);
    });
