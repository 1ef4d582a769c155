/** How the sockets' thread stops what the main thread does, whether that waits, computes or is paused. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Adapter } from "../debugger/adapter.ts";
import { FLAG, type FromSockets } from "./channel.ts";
import type { Header, Message } from "./message.ts";

/** How long the main thread has to stop a cell that only waits, before checks in loops fail, in milliseconds. */
const AWAITS_FIRST = 50;
/** How long those checks have before a signal stops code that has none, in milliseconds. */
const CHECKS_FIRST = 60;
/** How long a cell that was sent before an interrupt may arrive after it, in milliseconds: sockets keep no common order. */
const ARRIVAL_GRACE = 50;
/** How long a cell that has arrived may take to begin before what keeps it from that is stopped, in milliseconds. */
const BEGINS_FIRST = 2000;
/** How long it may take before an interrupt is given up: a loaded machine has a compiler to load, in milliseconds. */
const BEGIN_GRACE = 60_000;
/** When a signal is sent again that a child process may have missed as it began, in milliseconds. */
const CHILD_BEGINS = 1000;
/** How often that is looked at, in milliseconds; long enough for replies of the main thread to come in. */
const LOOK_EVERY = 5;

export interface StoppingOptions {
  readonly flags: Int32Array;
  readonly tell: (message: FromSockets) => void;
  /** Cells that have arrived and have had no reply; the first is the one that runs or begins next. */
  readonly unanswered: readonly Header[];
  /** The debugger, once there is one. */
  readonly debugging: () => Adapter | undefined;
}

/** Returns what stops the cell that an interrupt means; it resolves when the cell has ended or all has been tried. */
export function createStopping({
  flags,
  tell,
  unanswered,
  debugging,
}: StoppingOptions): (request: Message) => Promise<void> {
  /**
   * The run that an interrupt means, 0 if none. That is also a cell which was sent and has not begun (the compiler may be
   * at work, or the interrupt overtook it), and not one that was sent after it: then the kernel was idle.
   */
  async function meantRun({ header: { session, date } }: Message): Promise<number> {
    const here = new Set(unanswered);
    const started = performance.now();
    const waited = (): number => performance.now() - started;
    let run = Atomics.load(flags, FLAG.run);
    let helped = false;
    while (run === 0 && waited() < (unanswered.length > 0 ? BEGIN_GRACE : ARRIVAL_GRACE)) {
      await sleep(LOOK_EVERY);
      run = Atomics.load(flags, FLAG.run);
      if (run !== 0 || helped || waited() < BEGINS_FIRST) continue;
      // A loop that an earlier cell left in a timer may be all that the main thread comes to.
      helped = true;
      await stopForgotten();
    }
    const cell = unanswered[0];
    // The clocks of two front ends may differ; what was here before the interrupt counts as sent before.
    const sentAfter = cell?.date > date && (cell.session === session || !here.has(cell));
    return sentAfter ? 0 : run;
  }

  /** The run that the latest interrupt means, while that is not known. */
  let meaning: Promise<number> | undefined;

  /**
   * Stops the running cell. If it waits, the main thread gives up what it waits for; if that thread does not come to it,
   * whatever blocks it fails at its next check, or by a signal if it is stuck in a call that has none.
   */
  async function interrupt(request: Message): Promise<void> {
    const paused = debugging()?.isPaused();
    // Asked again before the cell began, it is to stop once: a second stop gives up what a first lets finish.
    if (!paused && meaning) return void (await meaning);
    meaning = paused ? undefined : meantRun(request);
    const run = await (meaning ?? Atomics.load(flags, FLAG.run));
    meaning = undefined;
    if (run === 0) return stopForgotten();
    const heard = Atomics.load(flags, FLAG.heard);
    tell({ kind: "interrupt", run });
    await (paused ? goOnStopping(run) : sleep(AWAITS_FIRST));
    if (Atomics.load(flags, FLAG.run) !== run) return;
    Atomics.store(flags, FLAG.interrupt, 1);
    Atomics.notify(flags, FLAG.unsent);
    await sleep(CHECKS_FIRST);
    if (Atomics.load(flags, FLAG.run) !== run) return;
    // The group has the cell's child processes, which may be what it waits for.
    signal(-process.pid);
    for (let waited = 0; waited < CHILD_BEGINS; waited += LOOK_EVERY) {
      await sleep(LOOK_EVERY);
      if (Atomics.load(flags, FLAG.run) !== run || Atomics.load(flags, FLAG.heard) !== heard) return;
    }
    signal(-process.pid);
  }

  /** Interrupts this process, or where it leads one its group, as the main thread is to know. */
  function signal(target: number): void {
    Atomics.add(flags, FLAG.signals, 1);
    try {
      process.kill(target, "SIGINT");
    } catch {
      process.kill(process.pid, "SIGINT");
    }
  }

  /** Stops what ended cells left running, unless a cell runs by now; also a loop in a timer, which the main thread is in. */
  async function stopForgotten(): Promise<void> {
    const heard = Atomics.load(flags, FLAG.heard);
    if (Atomics.load(flags, FLAG.run) !== 0) return;
    tell({ kind: "interrupt", run: 0 });
    await (debugging()?.isPaused() ? goOnStopping(0) : sleep(AWAITS_FIRST));
    if (Atomics.load(flags, FLAG.heard) === heard) Atomics.store(flags, FLAG.interrupt, 1);
  }

  /** Lets a paused program go on, which stops at its next check, or where it has none by a signal. */
  async function goOnStopping(run: number): Promise<void> {
    Atomics.store(flags, FLAG.interrupt, 1);
    if (run !== 0) signal(process.pid);
    await debugging()?.withoutPauses(() => sleep(AWAITS_FIRST));
  }

  return interrupt;
}
