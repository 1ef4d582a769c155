import { Command } from "commander";
import { watchRuns } from "../watch/server.ts";
import { integer } from "./options.ts";

export const watchCommand = (): Command =>
  new Command("watch")
    .description(
      "show runs as they train: a page for this machine's browser with curves, samples and time left",
    )
    .argument("[folder]", "what holds the runs", "runs")
    .option("--port <number>", "port of the page; 0 takes any that is free", integer, 0)
    .action(async (folder: string, { port }: { port: number }) => {
      const { url } = await watchRuns(folder, { port });
      process.stdout.write(`Runs below ${folder}: ${url}\nCtrl-C ends it; the runs go on.\n`);
    });
