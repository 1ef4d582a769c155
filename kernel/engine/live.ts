/**
 * Completion of the members of values that are there, where the compiler knows nothing of them (`any`). Nothing of the
 * notebook's is called: getters, proxies and functions are left alone.
 */
import { types } from "node:util";

export interface LiveNames {
  /** Where what is completed begins. */
  readonly start: number;
  readonly names: readonly string[];
}

const isHolder = (value: unknown): value is object =>
  ((typeof value === "object" && value !== null) || typeof value === "function") && !types.isProxy(value);

/** A property's value, own or inherited; undefined where it takes a getter to know. */
function propertyOf(value: unknown, key: string): unknown {
  for (let at = value; isHolder(at); at = Object.getPrototypeOf(at)) {
    const property = Object.getOwnPropertyDescriptor(at, key);
    if (property) return property.value;
  }
  return undefined;
}

/** The names of a value's members, its own before those it inherits; what all objects have is no news. */
function membersOf(value: unknown): string[] {
  const names = new Set<string>();
  const start = typeof value === "string" || typeof value === "number" ? Object(value) : value;
  for (let at = start; isHolder(at) && at !== Object.prototype; at = Object.getPrototypeOf(at))
    for (const name of Object.getOwnPropertyNames(at)) names.add(name);
  names.delete("constructor");
  return [...names];
}

/** `a.b["c"][0]` at the end of code: a name, and the keys that lead on from it. */
const CHAIN =
  /(?<![\w$.\])])([A-Za-z_$][\w$]*)((?:\s*\??\.\s*[A-Za-z_$][\w$]*|\[(?:\d+|"[^"\\]*"|'[^'\\]*')\])*)$/;
const KEY = /\??\.\s*([A-Za-z_$][\w$]*)|\[(?:(\d+)|"([^"\\]*)"|'([^'\\]*)')\]/g;
const MEMBER = /\s*\??\.\s*([\w$]*)$/;
const QUOTED = /\[(["'])([^"'\\\n]*)$/;

/**
 * What may stand at the end of `before`, the code before the cursor.
 * @param root the value of a name of the notebook
 */
export function completeLive(before: string, root: (name: string) => unknown): LiveNames | undefined {
  const quoted = QUOTED.exec(before);
  const written = quoted ?? MEMBER.exec(before);
  if (!written) return undefined;
  const prefix = written.at(-1)!;
  const chain = CHAIN.exec(before.slice(0, written.index));
  if (!chain) return undefined;
  let value = root(chain[1]);
  for (const [, name, index, double, single] of chain[2].matchAll(KEY))
    value = propertyOf(value, name ?? index ?? double ?? single);
  const isIndexed = Array.isArray(value) || ArrayBuffer.isView(value);
  const names = membersOf(value).filter(
    (name) =>
      name.startsWith(prefix) &&
      !(isIndexed && /^\d+$/.test(name)) &&
      (quoted !== null || /^[A-Za-z_$][\w$]*$/.test(name)),
  );
  return { start: before.length - prefix.length, names };
}
