/** The outputs of a notebook's cells as parts of a page. */
import { parse } from "@vue/compiler-dom";
import { AnsiUp } from "ansi_up";
import { escapeHtml } from "../../../kernel/display/table.ts";
import type { DataOutput, Output } from "../../../kernel/notebook/format.ts";

/** Files that lie beside a page: pictures, and figures as plotly's data. Adding one gives its name. */
export interface Attached {
  add(ending: string, bytes: Uint8Array | string): string;
}

const PLOTLY = "application/vnd.plotly.v1+json";
const PICTURES = {
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/gif": "gif",
  "image/webp": "webp",
} as const;

const pre = (text: string, kind: string): string => {
  const converter = new AnsiUp();
  converter.use_classes = true;
  const html = converter.ansi_to_html(text.trimEnd());
  return html === "" ? "" : `<pre v-pre class="nb-output nb-${kind}">${html}</pre>`;
};

/** Text as a terminal leaves it: a carriage return begins the line anew. */
const overwritten = (text: string): string => text.replace(/\r+(?=\n|$)/g, "").replace(/[^\n]*\r/g, "");

/** HTML as it may stand in a page: nothing that runs, and no empty line, which would end it for Markdown. */
function safeHtml(html: string): string | undefined {
  const text = html
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, "")
    // A picture that the notebook does not carry would be asked of another host, or is not there.
    .replace(/(<img\b[^>]*?)\ssrc=(["'])(?!data:)[^"']*\2/gi, "$1")
    .replace(/\n\s*(?=\n)/g, "")
    .trim();
  let sound = true;
  parse(`<div>${text}</div>`, {
    onError: () => {
      sound = false;
    },
  });
  return sound ? text : undefined;
}

function figure(value: unknown, attached: Attached): string {
  const { data, layout = {} } = value as { data: unknown; layout?: Record<string, unknown> };
  // The title stands above the figure as text, which is found by search, and broken into lines on a phone.
  const { title, ...rest } = layout;
  const text = typeof title === "string" ? title : ((title as { text?: string } | undefined)?.text ?? "");
  const caption = escapeHtml(
    text
      .replace(/<[^>]*>/g, " ")
      .replace(/\s+/g, " ")
      .trim(),
  );
  const src = attached.add("json", JSON.stringify({ data, layout: rest }));
  const height = Number(layout.height) || 450;
  return `<PlotlyFigure src="${src}" caption="${caption}" :height="${height}" />`;
}

const imageOf = (src: string, size = ""): string =>
  `<img class="nb-picture" alt="Output of the cell above"${size} src="${src}">`;

function picture(type: keyof typeof PICTURES, { data, metadata }: DataOutput, attached: Attached): string {
  const src = attached.add(PICTURES[type], Buffer.from(String(data[type]), "base64"));
  const { width, height } = (metadata[type] ?? {}) as Record<string, unknown>;
  const size = Object.entries({ width, height })
    .filter(([, length]) => Number(length) > 0)
    .map(([name, length]) => ` ${name}="${Number(length)}"`);
  return imageOf(src, size.join(""));
}

/** Pictures inside of HTML as files beside the page. */
const withFiles = (html: string, attached: Attached): string =>
  html.replace(/src="data:image\/png;base64,([^"]*)"/g, (_, base64: string) => {
    return `src="${attached.add("png", Buffer.from(base64, "base64"))}"`;
  });

/** The richest representation that a page can show, as Markdown. */
function dataOutput(output: DataOutput, attached: Attached): string {
  const { data } = output;
  if (PLOTLY in data) return figure(data[PLOTLY], attached);
  // Pictures of which a slider shows one.
  const slider =
    /<input type="range"/.test(String(data["text/html"] ?? "")) && safeHtml(String(data["text/html"]));
  if (slider) return `<div v-pre class="nb-output nb-html">${withFiles(slider, attached)}</div>`;
  for (const type of Object.keys(PICTURES) as (keyof typeof PICTURES)[])
    if (type in data) return picture(type, output, attached);
  const svg = String(data["image/svg+xml"] ?? "");
  // A page has no place for a drawing's own style, a file has.
  if (svg.includes("<style")) return imageOf(attached.add("svg", svg));
  const html = svg || data["text/html"];
  const safe = html === undefined ? undefined : safeHtml(String(html));
  // A script alone, such as the one that brings plotly.js to Jupyter, leaves nothing to see.
  if (safe !== undefined) return safe && `<div v-pre class="nb-output nb-html">${safe}</div>`;
  const markdown = data["text/markdown"] ?? data["text/latex"];
  if (markdown !== undefined) return String(markdown);
  if ("application/json" in data) return pre(JSON.stringify(data["application/json"], null, 2), "text");
  return pre(String(data["text/plain"] ?? ""), "text");
}

export function outputOf(output: Output, attached: Attached): string {
  if (output.output_type === "stream") return pre(overwritten(output.text), output.name);
  if (output.output_type === "error") return pre(output.traceback.join("\n"), "stderr");
  return dataOutput(output, attached);
}
