/** Rows of values as a table, in text and in HTML. */
import { Console } from "node:console";
import { Writable } from "node:stream";
import { inspect } from "node:util";

/** Rows shown; more would only slow the page down. */
const MAX_ROWS = 100;
const MAX_COLUMNS = 30;

type Row = Record<string, unknown> | readonly unknown[];

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const isPlain = (value: unknown): value is Record<string, unknown> => {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const isScalar = (value: unknown) =>
  value === null || (typeof value !== "object" && typeof value !== "function");

/** The rows of a value that reads well as a table: objects of scalars, or lists of scalars of one length. */
export function tableRows(value: unknown): readonly Row[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  const sample = value.slice(0, MAX_ROWS);
  if (sample.every(isPlain)) {
    const cells = sample.flatMap((row) => Object.values(row));
    return cells.length > 0 && cells.filter(isScalar).length >= cells.length / 2 ? value : undefined;
  }
  const [first] = sample;
  const isRow = (row: unknown) =>
    Array.isArray(row) && row.length === first.length && row.length > 0 && row.every(isScalar);
  return Array.isArray(first) && value.length > 1 && sample.every(isRow) ? value : undefined;
}

const columnsOf = (rows: readonly Row[]): string[] =>
  [...new Set(rows.flatMap(Object.keys))].slice(0, MAX_COLUMNS);

/** As `console.table` prints it. */
export function textTable(rows: readonly Row[]): string {
  let text = "";
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  const shown = rows.slice(0, MAX_ROWS);
  new Console({ stdout: stream, colorMode: false }).table(shown, columnsOf(shown));
  return text.trimEnd() + (rows.length > shown.length ? `\n… ${rows.length - shown.length} more rows` : "");
}

const cellText = (value: unknown): string =>
  value === undefined
    ? ""
    : typeof value === "string"
      ? value
      : inspect(value, { depth: 1, breakLength: Infinity });

const STYLE = "border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:0.95em;margin:0.25em 0";
const LINE = "padding:0.2em 0.7em;border-bottom:1px solid rgba(128,128,128,0.3);white-space:nowrap";

export function htmlTable(rows: readonly Row[]): string {
  const shown = rows.slice(0, MAX_ROWS);
  const columns = columnsOf(shown);
  const right = (value: unknown) =>
    typeof value === "number" || typeof value === "bigint" ? "right" : "left";
  const heads = columns.map((column, i) => {
    const [first] = shown.map((row) => (row as Record<string, unknown>)[columns[i]]);
    return `<th style="${LINE};text-align:${right(first)}">${escapeHtml(column)}</th>`;
  });
  const body = shown.map((row, i) => {
    const cells = columns.map((column) => {
      const value = (row as Record<string, unknown>)[column];
      return `<td style="${LINE};text-align:${right(value)}">${escapeHtml(cellText(value))}</td>`;
    });
    return `<tr><th style="${LINE};text-align:right;font-weight:normal;opacity:0.6">${i}</th>${cells.join("")}</tr>`;
  });
  const rest =
    rows.length > shown.length
      ? `<p style="opacity:0.7;margin:0.25em 0">… ${rows.length - shown.length} more rows</p>`
      : "";
  return `<div style="overflow-x:auto"><table style="${STYLE}"><thead><tr><th style="${LINE}"></th>${heads.join("")}</tr></thead><tbody>${body.join("")}</tbody></table>${rest}</div>`;
}
