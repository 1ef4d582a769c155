/** Dependencies keep state on the global object. It stays where they look for it, but nobody who lists globals meets it. */

/** What was there before: this module is imported ahead of those dependencies. */
const before = new Set(Object.keys(globalThis));

/** Takes names that were not there before out of the list of globals. */
export function unlist(...names: string[]): void {
  for (const name of names)
    if (name in globalThis && !before.has(name))
      Object.defineProperty(globalThis, name, { enumerable: false });
}
