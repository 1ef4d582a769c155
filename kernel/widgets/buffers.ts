/** States with bytes in them: in messages these travel apart, each with its path into the state. */
import type { Packed } from "./registry.ts";

/** Where a widget has its model: within a state it becomes a reference to that. */
export const MODEL: unique symbol = Symbol.for("ditlab.kernel.model") as never;

export const REFERENCE = "IPY_MODEL_";

type Path = (string | number)[];
type Container = Record<string | number, unknown>;

const bytesOf = (value: ArrayBufferView | ArrayBuffer): Uint8Array =>
  value instanceof ArrayBuffer
    ? new Uint8Array(value)
    : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);

const isBinary = (value: unknown): value is ArrayBufferView | ArrayBuffer =>
  ArrayBuffer.isView(value) || value instanceof ArrayBuffer;

/**
 * A state as JSON, with its bytes apart. The error names the place of what cannot be sent.
 * @throws {TypeError} on functions, symbols and values that contain themselves
 */
export function pack(state: Record<string, unknown>): Packed {
  const buffer_paths: Path[] = [];
  const buffers: Uint8Array[] = [];
  const parents = new Set<object>();

  function walk(value: unknown, path: Path): unknown {
    const refuse = (why: string) => new TypeError(`a widget's state cannot hold ${why}: ${path.join(".")}`);
    if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    if (typeof value === "function" || typeof value === "symbol") throw refuse(`a ${typeof value}`);
    if (typeof value !== "object" || value === null) return value;
    const model = (value as { [MODEL]?: { id: string } })[MODEL];
    if (model !== undefined) return REFERENCE + model.id;
    if (parents.has(value)) throw refuse("a value that contains itself");
    parents.add(value);
    const entries = value instanceof Map ? Object.fromEntries(value) : value;
    const plain = Array.isArray(entries)
      ? entries.map((item, i) => child(item, [...path, i]) ?? null)
      : Object.fromEntries(
          Object.entries(entries)
            .map(([key, item]) => [key, child(item, [...path, key])])
            .filter(([, item]) => item !== undefined),
        );
    parents.delete(value);
    return plain;
  }
  function child(value: unknown, path: Path): unknown {
    if (!isBinary(value)) return walk(value, path);
    buffer_paths.push(path);
    buffers.push(bytesOf(value));
    return undefined;
  }
  return { state: walk(state, []) as Record<string, unknown>, buffer_paths, buffers };
}

/** Puts bytes back into the state that came with them, in place; paths that lead nowhere are passed over. */
export function putBuffers(
  state: Record<string, unknown>,
  paths: unknown,
  buffers: readonly Uint8Array[],
): void {
  if (!Array.isArray(paths)) return;
  for (const [i, path] of paths.entries()) {
    if (!Array.isArray(path) || path.length === 0 || !buffers[i]) continue;
    let place: unknown = state;
    for (const key of path.slice(0, -1))
      place = isContainer(place) && Object.hasOwn(place, key) ? place[key] : undefined;
    const last = path.at(-1) as string;
    if (isContainer(place) && last !== "__proto__") place[last] = buffers[i];
  }
}

const isContainer = (value: unknown): value is Container => typeof value === "object" && value !== null;

/** Bytes of a front end as the kind of value that stood there before: a `Float32Array` stays one. */
export function asKindOf(before: unknown, value: unknown): unknown {
  if (!(value instanceof Uint8Array) || before instanceof Uint8Array) return value;
  const { buffer } = value.slice();
  if (before instanceof ArrayBuffer) return buffer;
  if (before instanceof DataView) return new DataView(buffer);
  if (!ArrayBuffer.isView(before)) return value;
  const { constructor: Kind } = before as unknown as {
    constructor: { new (buffer: ArrayBufferLike): unknown; BYTES_PER_ELEMENT: number };
  };
  return buffer.byteLength % Kind.BYTES_PER_ELEMENT === 0 ? new Kind(buffer) : value;
}
