/** Any value as text, in bounded time and length. */
import { inspect, types } from "node:util";

/** Longer text than this is cut in the middle: no reader gets further, and a front end chokes on it. */
const MAX_TEXT = 100_000;
/** Entries shown of one list, map or object. */
const MAX_ENTRIES = 100;
/** Values shown in all; nested ones beyond it are named only. */
const MAX_VALUES = 5000;
const MAX_DEPTH = 4;

/** Cuts `text` in the middle to about `limit` characters. */
export function shorten(text: string, limit = MAX_TEXT): string {
  if (text.length <= limit) return text;
  const half = Math.floor(limit / 2);
  return `${text.slice(0, half)}\n… ${text.length - 2 * half} characters …\n${text.slice(-half)}`;
}

interface TensorLike {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly isDisposed?: boolean;
  toString(): string;
}

const isTensor = (value: object): value is TensorLike => {
  const { shape, dtype } = value as Partial<TensorLike>;
  return Array.isArray(shape) && typeof dtype === "string" && value.toString !== Object.prototype.toString;
};

function tensorText(tensor: TensorLike): string {
  const head = `Tensor ${tensor.dtype} [${tensor.shape.join(", ")}]`;
  if (tensor.isDisposed) return `${head}, disposed`;
  return `${head}\n${String(tensor).replace(/^Tensor\n/, "")}`;
}

/** What async_hooks keeps on promises and timers, such as the whole request of the cell that made them. */
const HOOKS = new Set([
  "async_id_symbol",
  "trigger_async_id_symbol",
  "asyncId",
  "triggerId",
  "kResourceStore",
]);

function hideHooks(value: object): void {
  for (const key of Object.getOwnPropertySymbols(value)) {
    if (!HOOKS.has(key.description ?? "")) continue;
    const property = Object.getOwnPropertyDescriptor(value, key);
    if (property?.configurable && property.enumerable)
      Object.defineProperty(value, key, { ...property, enumerable: false });
  }
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** What `inspect` would show one level below `value`, as far as it would; no getter and no proxy's trap is called. */
function* childrenOf(value: object): Generator<unknown> {
  if (types.isProxy(value) || ArrayBuffer.isView(value)) return;
  if (value instanceof Map || value instanceof Set) {
    const entries: IterableIterator<unknown> =
      value instanceof Map ? Map.prototype.entries.call(value) : Set.prototype.values.call(value);
    let shown = 0;
    for (const entry of entries) {
      if (++shown > MAX_ENTRIES) break;
      if (value instanceof Map) yield* entry as [unknown, unknown];
      else yield entry;
    }
    return;
  }
  if (Array.isArray(value)) {
    for (let i = 0; i < Math.min(value.length, MAX_ENTRIES); i++)
      yield Object.getOwnPropertyDescriptor(value, i)?.value;
    return;
  }
  for (const key of Object.keys(value)) yield Object.getOwnPropertyDescriptor(value, key)?.value;
}

/** How deep a value can be shown with at most `MAX_VALUES` in all, up to `MAX_DEPTH`. */
function affordableDepth(value: unknown): number {
  let level = [value].filter(isObject);
  let count = 0;
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    const next: object[] = [];
    for (const parent of level) {
      hideHooks(parent);
      for (const child of childrenOf(parent)) {
        // A text of a page costs as much as many numbers.
        count += 1 + (typeof child === "string" ? Math.min(child.length, MAX_TEXT) / 200 : 0);
        if (count > MAX_VALUES) return Math.max(0, depth - 1);
        if (isObject(child)) next.push(child);
      }
    }
    if (next.length === 0) break;
    level = next;
  }
  return MAX_DEPTH;
}

/** A plain object with more keys than are shown, as its first ones and how many more. */
function cutKeys(value: unknown): { value: unknown; rest: number } {
  if (!isObject(value) || types.isProxy(value) || ArrayBuffer.isView(value) || Array.isArray(value))
    return { value, rest: 0 };
  const keys = Object.keys(value);
  if (keys.length <= MAX_ENTRIES || value instanceof Map || value instanceof Set || inspect.custom in value)
    return { value, rest: 0 };
  const part = Object.create(Object.getPrototypeOf(value));
  for (const key of keys.slice(0, MAX_ENTRIES))
    Object.defineProperty(part, key, Object.getOwnPropertyDescriptor(value, key)!);
  return { value: part, rest: keys.length - MAX_ENTRIES };
}

function inspected(whole: unknown): string {
  const { value, rest } = cutKeys(whole);
  const text = inspect(value, {
    depth: affordableDepth(value),
    maxArrayLength: MAX_ENTRIES,
    maxStringLength: 10_000,
    colors: false,
  });
  return rest > 0 ? `${text}\n… ${rest} more properties` : text;
}

/** A value as text; also one that is huge, and one whose own methods throw. */
export function toText(value: unknown): string {
  if (typeof value === "string") return shorten(value);
  try {
    if (isObject(value) && !types.isProxy(value) && isTensor(value)) return shorten(tensorText(value));
    return shorten(inspected(value));
  } catch (error) {
    let reason = "";
    try {
      reason = `: ${(error as Error).message}`;
    } catch {
      // What it threw cannot be shown either.
    }
    return `[a value that cannot be shown${reason}]`;
  }
}

/** A text as a literal, as a console shows it. */
export const quoted = (text: string): string => inspect(shorten(text), { maxStringLength: null });
