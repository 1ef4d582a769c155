/** Escape-by-default HTML text, so that nothing from a results file can become markup. */

/** Text that already is HTML and must not be escaped again. */
export interface Html {
  readonly html: string;
}

/** What a template accepts: text and numbers are escaped, `Html` and lists of it are kept, `undefined` is empty. */
export type HtmlValue = string | number | undefined | Html | readonly HtmlValue[];

/** Escapes text for element content and for quoted attributes. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** Marks text as HTML. Only for text that this program wrote. */
export function raw(text: string): Html {
  return { html: text };
}

function toText(value: HtmlValue): string {
  if (value === undefined) return "";
  if (typeof value === "string") return escapeHtml(value);
  if (typeof value === "number") return String(value);
  return "html" in value ? value.html : value.map(toText).join("");
}

/** Template tag: ``html`<p>${text}</p>` `` escapes every value that is not `Html`. */
export function html(strings: TemplateStringsArray, ...values: HtmlValue[]): Html {
  return raw(strings.reduce((text, part, i) => text + toText(values[i - 1]) + part));
}

/** JSON for a `<script>` element: no character sequence in it can end the element or open a comment. */
export function scriptJson(value: unknown): Html {
  return raw(JSON.stringify(value).replaceAll("<", "\\u003c"));
}

/** Text for plotly, which reads a subset of HTML in names and labels. */
export function plotText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
