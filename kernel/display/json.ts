/** Values as JSON, where programs have more than JSON knows. */

/** Elements in a row as nested lists of a shape. */
function nested(data: readonly unknown[], shape: readonly number[]): unknown {
  if (shape.length === 0) return data[0];
  if (shape.length === 1) return data;
  const [count, ...inner] = shape;
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) => nested(data.slice(i * size, (i + 1) * size), inner));
}

interface ArrayLikes {
  readonly arraySync?: () => unknown;
  readonly shape?: readonly number[];
  readonly data?: unknown;
}

const isList = (value: unknown): value is ArrayLike<unknown> =>
  ArrayBuffer.isView(value) && !(value instanceof DataView);

/** Float32 in the fewest digits that give it back: 0.1 rather than 0.10000000149011612, of which a notebook is full. */
const short = (value: number): number => {
  const digits = Number(value.toPrecision(8));
  return Math.fround(digits) === value ? digits : value;
};

function listed(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Float32Array) return Array.from(value, short);
  if (isList(value)) return Array.from(value);
  if (value instanceof Set) return [...value];
  if (value instanceof Map) return Object.fromEntries(value);
  const { arraySync, shape, data } = value as ArrayLikes;
  if (typeof arraySync === "function" && Array.isArray(shape)) return arraySync.call(value);
  if (isList(data) && Array.isArray(shape)) return nested(Array.from(data), shape);
  return value;
}

/**
 * JSON of a value: typed arrays, sets, tensors (`arraySync`) and arrays with a shape (`{ shape, data }`) as lists, maps
 * as objects, and numbers that JSON has not (NaN, infinities) as null.
 * @param digits significant digits of numbers that are not whole; all unless given
 * @throws on values that contain themselves.
 */
export function toJson(value: unknown, digits?: number): string {
  return (
    JSON.stringify(value, function (this: Record<string, unknown>, key, converted: unknown) {
      // Some have a `toJSON` of their own, such as buffers, which is not a list.
      const own = this[key];
      if (own instanceof Float32Array) return Array.from(own, short);
      if (isList(own)) return Array.from(own, listed);
      if (typeof converted === "number" && digits !== undefined && !Number.isInteger(converted))
        return Number(converted.toPrecision(digits));
      return listed(converted);
    }) ?? "null"
  );
}
