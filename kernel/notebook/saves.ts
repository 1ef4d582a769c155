/** How often a document that grows is written while a run goes on. */

/** What a save lasted is followed by so many times as long without one. */
const REST = 4;

export interface Saves {
  /** Writes now, or as soon as the writing takes a fifth of the run's time; rejects if a write has failed. */
  soon(): Promise<void>;
  /** Writes now, once what is being written is done. */
  now(): Promise<void>;
}

/**
 * Each write is of the whole document, so that one after each cell of a large notebook would take the square of its
 * size. A small notebook is written at once.
 */
export function spacedSaves(save: () => Promise<void>): Saves {
  let due = 0;
  let later: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();

  function write(): Promise<void> {
    clearTimeout(later);
    later = undefined;
    writing = writing.then(async () => {
      const begun = performance.now();
      await save();
      const ended = performance.now();
      due = ended + REST * (ended - begun);
    });
    return writing;
  }

  return {
    async soon() {
      // A write that failed meanwhile is told here.
      await writing;
      if (later !== undefined) return;
      const wait = due - performance.now();
      if (wait <= 0) return write();
      later = setTimeout(() => write().catch(() => {}), wait);
    },
    now: write,
  };
}
