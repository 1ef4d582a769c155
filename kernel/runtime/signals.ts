/**
 * Signals, which end code that has no checks. Node hands a signal that comes while a script ends to the script that
 * begins next: its watching thread still finds it announced. Each one that was sent is therefore waited for.
 */
import { setImmediate as turn } from "node:timers/promises";
import vm from "node:vm";
import { isSignal, signalsSent } from "./interrupt.ts";

/** How long a signal that was sent is waited for, in milliseconds. */
const ARRIVES = 500;
/** How long a script runs that does nothing but take a signal, in milliseconds. */
const TAKES = 10;

let received = 0;
let entry: unknown;
const enterScript = new vm.Script("globalThis[Symbol.for('ditlab.kernel.entry')]()", {
  filename: "node:cell",
});
Object.defineProperty(globalThis, Symbol.for("ditlab.kernel.entry"), {
  value: () => (entry as () => unknown)(),
});

/** Calls `body` so that a signal ends even code without checks, until it first awaits. */
export function breakable(body: () => unknown): unknown {
  entry = body;
  try {
    return enterScript.runInThisContext({ breakOnSigint: true });
  } catch (error) {
    if (isSignal(error)) received++;
    throw error;
  }
}

/** Lets signals pass that come while no script runs: they are the socket thread's way to stop a call. */
export function passSignals(): void {
  process.on("SIGINT", () => {
    received++;
  });
}

function spin(): void {
  const end = performance.now() + TAKES;
  while (performance.now() < end);
}

/** Resolves when the signals that were sent have come, so that none is taken for one that means the next cell. */
export async function settleSignals(): Promise<void> {
  const end = performance.now() + ARRIVES;
  while (received < signalsSent() && performance.now() < end) {
    try {
      breakable(spin);
    } catch (error) {
      if (!isSignal(error)) throw error;
    }
    await turn();
  }
  // Two that come at once are one.
  received = signalsSent();
}
