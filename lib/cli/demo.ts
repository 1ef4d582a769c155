import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Command, Option } from "commander";
import { type DatasetName, loadDataset } from "../data/index.ts";
import { runDemo } from "../experiments/demo.ts";
import { SCALES, type ScaleName } from "../experiments/presets.ts";
import { writeReport } from "../experiments/report/report.ts";
import { summaryLines } from "../experiments/summary.ts";
import { EXIT, stopSignal } from "./exit.ts";
import { dataFolderOption, datasetOption, jsonOption, withDevice } from "./options.ts";
import { progressReporter } from "./progress.ts";

interface Options {
  dataset: DatasetName;
  data?: string;
  scale: ScaleName;
  out: string;
  resume?: boolean;
  json?: boolean;
}

const scaleHelp = Object.entries(SCALES)
  .map(([name, { about }]) => `  ${name.padEnd(8)} ${about}`)
  .join("\n");

export const demoCommand = (): Command =>
  withDevice(new Command("demo"))
    .description("train the same small SiT without and with SRA, sample, measure, and write a report")
    .addOption(datasetOption())
    .addOption(dataFolderOption())
    .addOption(
      new Option("--scale <name>", "size of the comparison").choices(Object.keys(SCALES)).default("small"),
    )
    .option("--out <folder>", "where results.json, report.html and the runs go", "runs/demo")
    .option("--resume", "go on with an interrupted comparison in that folder")
    .addOption(jsonOption())
    .addHelpText("after", `\nScales:\n${scaleHelp}`)
    .action(async (options: Options) => {
      const reporter = progressReporter();
      const signal = stopSignal(() =>
        reporter.note("\nStopping after this step; press Ctrl-C again to stop at once."),
      );
      const dataset = await loadDataset(options.dataset, { folder: options.data });
      const results = await runDemo({
        folder: options.out,
        dataset,
        scaleName: options.scale,
        scale: SCALES[options.scale],
        resume: options.resume,
        signal,
        reporter,
      });
      if (!results) {
        reporter.note(
          `Saved. Go on with: ditlab demo --scale ${options.scale} --dataset ${options.dataset}${options.data ? ` --data ${options.data}` : ""} --out ${options.out} --resume`,
        );
        process.exit(EXIT.interrupted);
      }
      const report = join(options.out, "report.html");
      await writeReport(join(options.out, "results.json"), report);
      if (options.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
      else
        process.stdout.write(
          `\n${summaryLines(results).join("\n")}\n\nReport: ${pathToFileURL(resolve(report))}\n`,
        );
    });
