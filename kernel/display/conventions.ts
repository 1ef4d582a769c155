/** Values that need no kernel to be shown well, by what they have in common: blobs, elements of documents, tables of columns. */
import { bytesBundle, imageType } from "./images.ts";
import type { MimeBundle } from "./sink.ts";
import { MAX_COLUMNS, MAX_ROWS, type Table } from "./table.ts";

/** Texts of this size and more are not shown. */
const MAX_TEXT = 2 ** 20;

/** An image, page or text in a `Blob`; of others what they are. */
export async function blobBundle(blob: Blob): Promise<MimeBundle> {
  const type = blob.type.split(";")[0].trim().toLowerCase();
  const about = { "text/plain": `Blob ${type || "of no type"}, ${blob.size} bytes` };
  if (/^image\//.test(type)) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    return imageType(bytes) ? bytesBundle(bytes) : about;
  }
  if ((type !== "text/html" && type !== "text/plain" && type !== "text/markdown") || blob.size >= MAX_TEXT)
    return about;
  return { "text/plain": about["text/plain"], [type]: await blob.text() };
}

interface ElementLike {
  readonly nodeType: number;
  readonly outerHTML: string;
}

/** An element of a document, of whatever library makes it (Observable Plot on linkedom or jsdom). */
export const isElement = (value: object): value is ElementLike =>
  "nodeType" in value && value.nodeType === 1 && "outerHTML" in value && typeof value.outerHTML === "string";

export const elementBundle = ({ outerHTML }: ElementLike): MimeBundle => ({
  "text/html": outerHTML,
  "text/plain": outerHTML,
});

/** The part of Apache Arrow's table that is read. */
interface ColumnTable {
  readonly numRows: number;
  readonly schema: { readonly fields: readonly { readonly name: string }[] };
  get(row: number): object | null;
}

export function isColumnTable(value: object): value is ColumnTable {
  const { numRows, schema, get } = value as Partial<ColumnTable>;
  return typeof numRows === "number" && Array.isArray(schema?.fields) && typeof get === "function";
}

/** The first rows of a table that is kept by columns. */
export function rowsOf(table: ColumnTable): Table {
  const columns = table.schema.fields.map(({ name }) => String(name));
  const count = Math.min(table.numRows, MAX_ROWS);
  const rows = Array.from({ length: count }, (_, i) => {
    const row = table.get(i) as Record<string, unknown> | null;
    return Object.fromEntries(columns.map((name) => [name, row?.[name]]));
  });
  return {
    rows,
    names: rows.map((_, i) => i),
    columns: columns.slice(0, MAX_COLUMNS),
    moreRows: table.numRows - count,
    moreColumns: Math.max(0, columns.length - MAX_COLUMNS),
  };
}

type Numbers =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Int8Array
  | Int16Array;

/** Lists of numbers that are longer than what is shown of them. */
const LONG = 100;
/** What takes longer than a blink to go through is not gone through. */
const MAX_COUNTED = 2e7;

/** A long typed array's range and mean, which its first entries do not tell. */
export function numbersText(value: Numbers): string {
  if (value.length <= LONG || value.length > MAX_COUNTED) return "";
  let [low, high, sum, finite] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (const number of value) {
    if (!Number.isFinite(number)) continue;
    low = Math.min(low, number);
    high = Math.max(high, number);
    sum += number;
    finite++;
  }
  const other = value.length - finite;
  const range =
    finite === 0
      ? "no finite numbers"
      : `least ${digits(low)}, greatest ${digits(high)}, mean ${digits(sum / finite)}`;
  return `\n${range}${other > 0 && finite > 0 ? `, ${other} not finite` : ""}`;
}

const digits = (value: number): string => String(Number(value.toPrecision(6)));

export const isNumbers = (value: object): value is Numbers =>
  ArrayBuffer.isView(value) &&
  !(value instanceof DataView) &&
  !(value instanceof BigInt64Array) &&
  !(value instanceof BigUint64Array);
