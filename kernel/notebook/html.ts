/** A notebook as one HTML page that needs no network. */
import { AnsiUp } from "ansi_up";
import { LOADER_START } from "../display/plotly-page.ts";
import { escapeHtml } from "../display/table.ts";
import {
  type Cell,
  type CodeCell,
  type DataOutput,
  type Metadata,
  type Notebook,
  type Output,
  readOutputs,
} from "./format.ts";
import { highlight, imageUrl, markdown } from "./markdown.ts";
import { overwritten } from "./outputs.ts";
import { PAGE_STYLE } from "./style.ts";
import { writeWhole } from "./whole.ts";
import { type WidgetPage, widgetPage } from "./widget-page.ts";
import { savedModels } from "./widget-state.ts";

function ansi(text: string): string {
  const converter = new AnsiUp();
  converter.use_classes = true;
  return converter.ansi_to_html(text);
}

const pre = (text: string, kind: string) => `<pre class="${kind}">${ansi(text)}</pre>`;

/** An image at the size that its metadata give, such as half its pixels for a sharp one. */
function image(type: string, value: unknown, metadata: Metadata): string {
  const { width, height } = (metadata[type] ?? {}) as Record<string, unknown>;
  const size = Object.entries({ width, height })
    .filter(([, length]) => Number(length) > 0)
    .map(([name, length]) => ` ${name}="${Number(length)}"`);
  return `<img alt=""${size.join("")} src="${imageUrl(type, value)}">`;
}

type Renderer = (value: unknown, type: string, metadata: Metadata) => string;
const bitmap: Renderer = (value, type, metadata) => image(type, value, metadata);

/** From the richest to the plainest that a page can show. */
const RENDERERS: readonly [string, Renderer][] = [
  ["text/html", (value) => String(value)],
  ["text/markdown", (value) => markdown(String(value))],
  ["image/svg+xml", (value) => String(value)],
  ["image/png", bitmap],
  ["image/jpeg", bitmap],
  ["image/gif", bitmap],
  ["image/webp", bitmap],
  ["text/latex", (value) => markdown(String(value))],
  ["application/json", (value) => `<pre>${escapeHtml(JSON.stringify(value, null, 2))}</pre>`],
  ["text/plain", (value) => pre(String(value), "result")],
];

function renderData({ data, metadata }: DataOutput, widgets: WidgetPage): string {
  const widget = widgets.render(data);
  if (widget !== undefined) return widget;
  const found = RENDERERS.find(([type]) => type in data);
  return found ? found[1](data[found[0]], found[0], metadata) : "";
}

function renderOutput(output: Output, widgets: WidgetPage): string {
  if (output.output_type === "stream") return pre(overwritten(output.text), output.name);
  if (output.output_type === "error") return pre(output.traceback.join("\n"), "error");
  return renderData(output, widgets);
}

/** Seconds that a cell ran, where its times are kept. */
function seconds(cell: CodeCell): string {
  const times = cell.metadata.execution as Record<string, string> | undefined;
  const [start, end] = [times?.["iopub.execute_input"], times?.["shell.execute_reply"]];
  if (!start || !end) return "";
  const length = (Date.parse(end) - Date.parse(start)) / 1000;
  return length >= 0.05 ? `${length.toFixed(1)} s` : "";
}

/** What can be opened; figures take their width then. */
const folded = (summary: string, content: string) =>
  `<details ontoggle="dispatchEvent(new Event('resize'))"><summary>${summary}</summary>\n${content}</details>`;

/** Jupyter's marks of a cell whose code, or whose outputs, are folded. */
const hidden = ({ metadata }: CodeCell) =>
  (metadata.jupyter ?? {}) as { source_hidden?: boolean; outputs_hidden?: boolean };

/** Code and outputs, of which those that the cell hides are folded; a solution is folded whole. */
function renderBody(cell: CodeCell, widgets: WidgetPage): string {
  const source = `<pre class="source"><code>${highlight(cell.source)}</code></pre>`;
  const outputs = cell.outputs
    .map((output) => `<div class="output">${renderOutput(output, widgets)}</div>`)
    .join("\n");
  const { source_hidden, outputs_hidden } = hidden(cell);
  const isSolution = (cell.metadata.tags as string[] | undefined)?.includes("solution");
  if (source_hidden && (isSolution || outputs_hidden))
    return folded(
      isSolution ? "Show a solution" : "Show the code and what it shows",
      `${source}\n${outputs}`,
    );
  return [
    source_hidden ? folded("Show the code", source) : source,
    outputs_hidden && outputs ? folded("Show the outputs", outputs) : outputs,
  ].join("\n");
}

function renderCell(cell: Cell, widgets: WidgetPage): string {
  if (cell.cell_type !== "code") {
    const isMarkdown = cell.cell_type === "markdown";
    const text = isMarkdown
      ? markdown(cell.source, cell.attachments)
      : `<pre>${escapeHtml(cell.source)}</pre>`;
    return `<section class="text">${text}</section>`;
  }
  if (cell.source.trim() === "" && cell.outputs.length === 0) return "";
  return `<section class="code"><div class="count">[${cell.execution_count ?? " "}]<br><small>${seconds(cell)}</small></div>
<div class="body">${renderBody(cell, widgets)}</div></section>`;
}

/** The first heading of a notebook. */
function titleOf(notebook: Notebook, fallback: string): string {
  const text = notebook.cells.find(
    ({ cell_type, source }) => cell_type === "markdown" && /^# /m.test(source),
  );
  return /^# (.*)$/m.exec(text?.source ?? "")?.[1].replace(/[*`$]/g, "") ?? fallback;
}

/** The notebook with each output that carries plotly.js once: cells that were run again at other times bring it again. */
function withoutRepeats(notebook: Notebook): Notebook {
  const seen = new Set<unknown>();
  const isRepeat = (output: Output): boolean => {
    if (output.output_type !== "display_data") return false;
    const html = output.data["text/html"];
    if (typeof html !== "string" || !html.startsWith(LOADER_START)) return false;
    return seen.size === seen.add(html).size;
  };
  const cells = notebook.cells.map((cell) =>
    cell.cell_type === "code"
      ? { ...cell, outputs: cell.outputs.filter((output) => !isRepeat(output)) }
      : cell,
  );
  return { ...notebook, cells };
}

/** The widgets of a notebook; what stands in an output area looks as it would in a cell. */
function widgetsOf(notebook: Notebook): WidgetPage {
  const widgets: WidgetPage = widgetPage(savedModels(notebook), (outputs) =>
    readOutputs(outputs)
      .map((output) => `<div class="output">${renderOutput(output, widgets)}</div>`)
      .join("\n"),
  );
  return widgets;
}

export function notebookPage(notebook: Notebook, name: string): string {
  const widgets = widgetsOf(notebook);
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
${withoutRepeats(notebook)
  .cells.map((cell) => renderCell(cell, widgets))
  .join("\n")}
</main>
</body>
</html>
`;
}

export async function writeNotebookPage(path: string, notebook: Notebook, name: string): Promise<void> {
  await writeWhole(path, () => notebookPage(notebook, name));
}
