import { Command } from "commander";
import { serveQueue } from "../distributed/queue/index.ts";
import { RUN_KIND, runHandler } from "../reproduce/queued-runs.ts";
import { stopSignal } from "./exit.ts";
import { positiveInteger, queueOption, queueUrl, withDevice } from "./options.ts";
import { progressReporter } from "./progress.ts";
import { SAMPLES_KIND, samplesHandler } from "./queued-samples.ts";

interface Options {
  queue?: string | true;
  lease: number;
  untilEmpty?: boolean;
}

export const workerCommand = (): Command =>
  withDevice(new Command("worker"))
    .description(
      "do the jobs of a queue, which 'reproduce --queue' and 'sample --queue' fill; start it where these are",
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
      const [runs, samples] = [runHandler(reporter), samplesHandler()];
      const signal = stopSignal(() =>
        note("\nStopping after this step; press Ctrl-C again to stop at once."),
      );
      const done = await serveQueue({
        url: queueUrl(queue),
        handlers: { [RUN_KIND]: runs.handler, [SAMPLES_KIND]: samples.handler },
        reporter,
        signal,
        leaseSeconds: lease,
        untilEmpty,
      });
      await Promise.all([runs.close(), samples.close()]);
      process.stdout.write(`${done} job${done === 1 ? "" : "s"} done\n`);
    });
