/** How the command ends. */

export const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Prints an error as one line (the whole stack with DITLAB_DEBUG) and ends the command. */
export function fail(error: unknown): never {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`\nditlab: ${process.env.DITLAB_DEBUG ? stack : message}\n`);
  process.exit(EXIT.failure);
}

/** Milliseconds within which signals are one: a terminal, npx and `mpirun` each hand on what the others have sent. */
const SAME = 500;

/**
 * A signal that the first Ctrl-C (or SIGTERM, or SIGUSR2, which launchers of several processes hand on) sets, so that work
 * can be saved. The second ends the command at once.
 */
export function stopSignal(onStop: () => void): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const stop = (): void => {
    if (controller.signal.aborted) {
      if (Date.now() - first > SAME) process.exit(EXIT.interrupted);
      return;
    }
    first = Date.now();
    onStop();
    controller.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGUSR2"] as const) process.on(signal, stop);
  return controller.signal;
}
