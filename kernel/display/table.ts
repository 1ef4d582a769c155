/** Rows of values as a table, in text and in HTML. */
import { Console } from "node:console";
import { Writable } from "node:stream";
import { inspect } from "node:util";
import { shorten } from "./inspect.ts";

/** Rows and columns shown; more would only slow the page down. */
export const MAX_ROWS = 100;
export const MAX_COLUMNS = 30;
/** Characters shown of a cell. */
const MAX_CELL = 200;
/** Rows with more entries than this are no table that anybody reads. */
const MAX_ENTRIES = 1000;

type Row = Record<string, unknown> | readonly unknown[];

export interface Table {
  /** The first rows. */
  readonly rows: readonly Row[];
  /** What names each of them: its number, or its key in a map. */
  readonly names: readonly unknown[];
  readonly columns: readonly string[];
  /** What is not among them. */
  readonly moreRows: number;
  readonly moreColumns: number;
}

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const isPlain = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const isScalar = (value: unknown) =>
  value === null || (typeof value !== "object" && typeof value !== "function");

/** Whether rows read well as a table: objects with mostly scalars, or lists of scalars of one length. */
function areRows(rows: readonly unknown[]): rows is readonly Row[] {
  const [first] = rows;
  if (Array.isArray(first)) {
    const isRow = (row: unknown) =>
      Array.isArray(row) && row.length === first.length && row.length <= MAX_ENTRIES && row.every(isScalar);
    return first.length > 0 && rows.length > 1 && rows.every(isRow);
  }
  if (!rows.every((row) => isPlain(row) && Object.keys(row).length <= MAX_ENTRIES)) return false;
  // Getters are the user's code: what has them is not taken for data.
  const cells = (rows as Row[]).flatMap((row) => Object.values(Object.getOwnPropertyDescriptors(row)));
  if (cells.some(({ get }) => get)) return false;
  return cells.length > 0 && cells.filter(({ value }) => isScalar(value)).length >= cells.length / 2;
}

/** The table that a list of rows, or a map to them, reads as; undefined for all else. */
export function tableOf(value: unknown): Table | undefined {
  const isMap = value instanceof Map;
  if (!isMap && !Array.isArray(value)) return undefined;
  const count = isMap ? value.size : value.length;
  if (count === 0) return undefined;
  const entries: [unknown, unknown][] = [];
  if (isMap) {
    for (const entry of value) if (entries.push(entry) === MAX_ROWS) break;
  } else for (let i = 0; i < Math.min(count, MAX_ROWS); i++) entries.push([i, value[i]]);
  const values = entries.map(([, row]) => row);
  // A map to single values is a table of one column.
  const rows: readonly unknown[] =
    isMap && count > 1 && values.every(isScalar) ? values.map((value) => ({ value })) : values;
  if (!areRows(rows)) return undefined;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return {
    rows,
    names: entries.map(([name]) => name),
    columns: columns.slice(0, MAX_COLUMNS),
    moreRows: count - rows.length,
    moreColumns: Math.max(0, columns.length - MAX_COLUMNS),
  };
}

const cellOf = (row: Row, column: string): unknown => (row as Record<string, unknown>)[column];

const cellText = (value: unknown): string => {
  if (value === undefined) return "";
  const options = { depth: 1, breakLength: Infinity, maxStringLength: MAX_CELL, maxArrayLength: 10 };
  return shorten(typeof value === "string" ? value : inspect(value, options), MAX_CELL);
};

const restOf = ({ moreRows, moreColumns }: Table): string =>
  [moreRows > 0 && `${moreRows} more rows`, moreColumns > 0 && `${moreColumns} more columns`]
    .filter(Boolean)
    .join(", ");

/** As `console.table` prints it. */
export function textTable(table: Table): string {
  let text = "";
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  const { rows, names, columns } = table;
  const shown = rows.map((row) =>
    Object.fromEntries(
      columns
        .filter((column) => column in row)
        .map((column) => {
          const value = cellOf(row, column);
          return [column, typeof value === "string" ? shorten(value, MAX_CELL) : value];
        }),
    ),
  );
  const named = names.every((name, i) => name === i)
    ? shown
    : Object.fromEntries(shown.map((row, i) => [cellText(names[i]), row]));
  new Console({ stdout: stream, colorMode: false }).table(named, columns);
  const rest = restOf(table);
  return text.trimEnd() + (rest === "" ? "" : `\n… ${rest}`);
}

const STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:0.95em;margin:0.25em 0";
const LINE = "padding:0.2em 0.7em;border-bottom:1px solid rgba(128,128,128,0.3);white-space:nowrap";

const isNumber = (value: unknown) => typeof value === "number" || typeof value === "bigint";
const align = (value: unknown) => (isNumber(value) ? "right" : "left");

/** Digits shown of a number that has a fraction; those before the point are all shown. */
const DIGITS = 6;

function numberText(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value);
  const whole = Math.abs(value) < 1e21 ? String(Math.trunc(Math.abs(value))).length : 0;
  return String(Number(value.toPrecision(Math.max(DIGITS, whole))));
}

/** A cell; of a number with a fraction six digits, with all of them where the pointer rests on it. */
function htmlCell(value: unknown): string {
  const text = cellText(value);
  const short = typeof value === "number" ? numberText(value) : text;
  const whole = short === text ? "" : ` title="${escapeHtml(text)}"`;
  return `<td style="${LINE};text-align:${align(value)}"${whole}>${escapeHtml(short)}</td>`;
}

export function htmlTable(table: Table): string {
  const { rows, names, columns } = table;
  const heads = columns.map((column) => {
    const first = rows.map((row) => cellOf(row, column)).find((value) => value !== undefined);
    return `<th style="${LINE};text-align:${align(first)}">${escapeHtml(cellText(column))}</th>`;
  });
  const body = rows.map((row, i) => {
    const cells = columns.map((column) => htmlCell(cellOf(row, column)));
    return `<tr><th style="${LINE};text-align:right;font-weight:normal;opacity:0.6">${escapeHtml(cellText(names[i]))}</th>${cells.join("")}</tr>`;
  });
  const rest = restOf(table);
  const note = rest === "" ? "" : `<p style="opacity:0.7;margin:0.25em 0">… ${rest}</p>`;
  return `<div style="overflow-x:auto"><table style="${STYLE}"><thead><tr><th style="${LINE}"></th>${heads.join("")}</tr></thead><tbody>${body.join("")}</tbody></table>${note}</div>`;
}
