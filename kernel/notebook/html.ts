/** A notebook as one HTML page that needs no network. */
import { createRequire } from "node:module";
import { AnsiUp } from "ansi_up";
import { Marked } from "marked";
import markedKatex from "marked-katex-extension";
import writeFileAtomic from "write-file-atomic";
import { escapeHtml } from "../display/table.ts";
import type { Cell, CodeCell, Notebook, Output } from "./format.ts";
import { PAGE_STYLE } from "./style.ts";

/** highlight.js without its declarations, which would bring the browser's types into the whole program. */
interface Highlighter {
  registerLanguage(name: string, language: unknown): void;
  highlight(code: string, options: { language: string }): { value: string };
}
const require = createRequire(import.meta.url);
const hljs = require("highlight.js/lib/core") as Highlighter;
hljs.registerLanguage("typescript", require("highlight.js/lib/languages/typescript"));

const highlight = (code: string): string => hljs.highlight(code, { language: "typescript" }).value;

// MathML needs no fonts, and every browser of today draws it.
const marked = new Marked(
  { gfm: true },
  markedKatex({ output: "mathml", throwOnError: false, nonStandard: true }),
  {
    renderer: {
      code: ({ text, lang }) =>
        `<pre><code>${/^(ts|typescript|js|javascript)$/.test(lang ?? "") ? highlight(text) : escapeHtml(text)}</code></pre>`,
    },
  },
);

const markdown = (text: string): string => marked.parse(text) as string;

function ansi(text: string): string {
  const converter = new AnsiUp();
  converter.use_classes = true;
  return converter.ansi_to_html(text);
}

const pre = (text: string, kind: string) => `<pre class="${kind}">${ansi(text)}</pre>`;

/** From the richest to the plainest that a page can show. */
const RENDERERS: readonly [string, (value: unknown) => string][] = [
  ["text/html", (value) => String(value)],
  ["text/markdown", (value) => markdown(String(value))],
  ["image/svg+xml", (value) => String(value)],
  ...["image/png", "image/jpeg", "image/gif", "image/webp"].map(
    (type): [string, (value: unknown) => string] => [
      type,
      (value) => `<img alt="" src="data:${type};base64,${String(value).replace(/\s/g, "")}">`,
    ],
  ),
  ["text/latex", (value) => markdown(String(value))],
  ["application/json", (value) => `<pre>${escapeHtml(JSON.stringify(value, null, 2))}</pre>`],
  ["text/plain", (value) => pre(String(value), "result")],
];

function renderOutput(output: Output): string {
  if (output.output_type === "stream") return pre(output.text.replace(/[^\n]*\r(?!\n)/g, ""), output.name);
  if (output.output_type === "error") return pre(output.traceback.join("\n"), "error");
  const found = RENDERERS.find(([type]) => type in output.data);
  return found ? found[1](output.data[found[0]]) : "";
}

/** Seconds that a cell ran, where its times are kept. */
function seconds(cell: CodeCell): string {
  const times = cell.metadata.execution as Record<string, string> | undefined;
  const [start, end] = [times?.["iopub.execute_input"], times?.["shell.execute_reply"]];
  if (!start || !end) return "";
  const length = (Date.parse(end) - Date.parse(start)) / 1000;
  return length >= 0.05 ? `${length.toFixed(1)} s` : "";
}

function renderCell(cell: Cell): string {
  if (cell.cell_type !== "code") {
    const text =
      cell.cell_type === "markdown" ? markdown(cell.source) : `<pre>${escapeHtml(cell.source)}</pre>`;
    return `<section class="text">${text}</section>`;
  }
  const outputs = cell.outputs
    .map((output) => `<div class="output">${renderOutput(output)}</div>`)
    .join("\n");
  return `<section class="code"><div class="count">[${cell.execution_count ?? " "}]<br><small>${seconds(cell)}</small></div>
<div class="body"><pre class="source"><code>${highlight(cell.source)}</code></pre>
${outputs}</div></section>`;
}

/** The first heading of a notebook. */
function titleOf(notebook: Notebook, fallback: string): string {
  const text = notebook.cells.find(
    ({ cell_type, source }) => cell_type === "markdown" && /^# /m.test(source),
  );
  return /^# (.*)$/m.exec(text?.source ?? "")?.[1].replace(/[*`$]/g, "") ?? fallback;
}

export function notebookPage(notebook: Notebook, name: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(titleOf(notebook, name))}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
${notebook.cells.map(renderCell).join("\n")}
</main>
</body>
</html>
`;
}

export async function writeNotebookPage(path: string, notebook: Notebook, name: string): Promise<void> {
  await writeFileAtomic(path, notebookPage(notebook, name));
}
