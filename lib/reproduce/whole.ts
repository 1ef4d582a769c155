/** One progress bar for many runs. */

import { formatSeconds } from "../experiments/report/text.ts";
import type { Reporter } from "../experiments/reporter.ts";

export interface WholeReporter {
  begin(): void;
  /** For a run, whose own phases become words behind the bar. */
  of(run: string): Reporter;
  /** A run of so many steps is done. */
  finish(steps: number): void;
  end(): void;
}

/** @param total training steps of all runs @param done of them, before this process */
export function wholeReporter(reporter: Reporter, total: number, done: number): WholeReporter {
  const begun = performance.now();
  let finished = 0;
  /** Of the run under way. */
  let [current, phase] = [0, ""];
  let isOpen = false;
  const show = (run: string, detail: string): void => {
    const steps = finished + current;
    const made = steps - done;
    const left = made > 0 ? ((performance.now() - begun) / 1000 / made) * (total - steps) : Number.NaN;
    reporter.update(
      Math.min(steps, total),
      `${run} ${detail}${made > 0 ? `  ${formatSeconds(left)} left` : ""}`,
    );
  };
  return {
    begin() {
      isOpen = true;
      reporter.begin("steps", total);
    },
    of: (run) => ({
      begin(label) {
        phase = label.replace(`${run}: `, "");
      },
      update(at, detail = "") {
        if (phase === "training") current = at;
        show(run, phase === "training" ? detail.replace(/ {2}\d+ s left$/, "") : phase);
      },
      end() {},
      note: reporter.note,
    }),
    finish(steps) {
      finished += steps;
      current = 0;
    },
    end() {
      if (isOpen) reporter.end();
      isOpen = false;
    },
  };
}
