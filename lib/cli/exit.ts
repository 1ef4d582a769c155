/** How the command ends. */

export const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Prints an error as one line (the whole stack with DITLAB_DEBUG) and ends the command. */
export function fail(error: unknown): never {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  process.stderr.write(`\nditlab: ${process.env.DITLAB_DEBUG ? stack : message}\n`);
  process.exit(EXIT.failure);
}

/**
 * A signal that the first Ctrl-C (or SIGTERM) sets, so that work can be saved. The second ends the command at once.
 */
export function stopSignal(onStop: () => void): AbortSignal {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    onStop();
    controller.abort();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  return controller.signal;
}
