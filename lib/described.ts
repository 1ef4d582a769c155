/** Which plain data a network, a process or a method was made of: one of a caller's own, or one that was changed, has none. */
const configs = new WeakMap<object, unknown>();

/** Remembers what a part was made of. */
export function describedBy<T extends object>(part: T, config: unknown): T {
  configs.set(part, config);
  return part;
}

/** What it was made of, if it is as it was made. */
export const configOf = (part: object): unknown => configs.get(part);
