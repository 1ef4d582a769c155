import { Command } from "commander";
import { serveQueue } from "../distributed/queue/index.ts";
import { RUN_KIND, runHandler } from "../reproduce/queued-runs.ts";
import { stopSignal } from "./exit.ts";
import { positiveInteger, queueOption, queueUrl, withDevice } from "./options.ts";
import { progressReporter } from "./progress.ts";
import { PREPARE_KIND, preparationHandler } from "./queued-preparation.ts";
import { SAMPLES_KIND, samplesHandler } from "./queued-samples.ts";

interface Options {
  queue?: string | true;
  lease: number;
  untilEmpty?: boolean;
}

export const workerCommand = (): Command =>
  withDevice(new Command("worker"))
    .description(
      "do the jobs of a queue, which 'reproduce', 'sample' and 'prepare' fill with --queue; start it where these are",
    )
    .addOption(queueOption("the Redis that has the jobs"))
    .option(
      "--lease <seconds>",
      "a worker that is not heard of for so long loses its job to another",
      positiveInteger,
      30,
    )
    .option("--until-empty", "end when no job waits or is under way, instead of waiting for more")
    .action(async ({ queue = true, lease, untilEmpty }: Options) => {
      const reporter = progressReporter();
      const { note } = reporter;
      const kinds = {
        [RUN_KIND]: runHandler(reporter),
        [SAMPLES_KIND]: samplesHandler(),
        [PREPARE_KIND]: preparationHandler(),
      };
      const signal = stopSignal(() =>
        note("\nStopping after this step; press Ctrl-C again to stop at once."),
      );
      const done = await serveQueue({
        url: queueUrl(queue),
        handlers: Object.fromEntries(Object.entries(kinds).map(([kind, { handler }]) => [kind, handler])),
        reporter,
        signal,
        leaseSeconds: lease,
        untilEmpty,
      });
      await Promise.all(Object.values(kinds).map(({ close }) => close()));
      process.stdout.write(`${done} job${done === 1 ? "" : "s"} done\n`);
    });
