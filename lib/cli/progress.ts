/** Progress in a terminal as a bar, elsewhere as a line now and then. Goes to stderr: stdout is for results. */
import { Presets, SingleBar } from "cli-progress";
import { speaksForAll } from "../distributed/supervise.ts";
import type { Reporter } from "../experiments/reporter.ts";

const LINE_SECONDS = 10;

const formatSeconds = (seconds: number): string =>
  seconds < 90 ? `${Math.round(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;

function terminalReporter(): Reporter {
  let bar: SingleBar | undefined;
  return {
    begin(label, total) {
      bar = new SingleBar(
        {
          format: `${label} {bar} {value}/{total}  {detail}`,
          stream: process.stderr,
          hideCursor: true,
          barsize: 24,
          // Ctrl-C belongs to the command, which saves first.
          gracefulExit: false,
        },
        Presets.shades_grey,
      );
      bar.start(total, 0, { detail: "" });
    },
    update: (done, detail = "") => bar?.update(done, { detail }),
    end: () => bar?.stop(),
    note: (message) => void process.stderr.write(`${message}\n`),
  };
}

function lineReporter(): Reporter {
  let phase = { label: "", total: 0, started: 0, printed: 0 };
  const write = (message: string): void => void process.stderr.write(`${message}\n`);
  return {
    begin(label, total) {
      const now = performance.now();
      phase = { label, total, started: now, printed: now };
    },
    update(done, detail = "") {
      const now = performance.now();
      if (now - phase.printed < LINE_SECONDS * 1000) return;
      phase.printed = now;
      write(`${phase.label}: ${done}/${phase.total}  ${detail}`.trimEnd());
    },
    end: () => write(`${phase.label}: done in ${formatSeconds((performance.now() - phase.started) / 1000)}`),
    note: write,
  };
}

/** Of several ranks the first one shows the progress of all. */
export function progressReporter(): Reporter {
  if (!speaksForAll()) return quietReporter();
  return process.stderr.isTTY ? terminalReporter() : lineReporter();
}

/** Of a process whose progress another one shows. */
export const quietReporter = (): Reporter => ({ begin() {}, update() {}, end() {}, note() {} });

/** Progress in images a second. */
export function imageProgress(label: string, count: number) {
  const reporter = progressReporter();
  reporter.begin(label, count);
  const began = performance.now();
  return {
    onProgress(done: number): void {
      const rate = done / ((performance.now() - began) / 1000);
      reporter.update(done, `${rate.toPrecision(3)} images a second`);
    },
    end: reporter.end,
  };
}
