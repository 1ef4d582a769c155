/** A notebook as a page of the site: its text, its code and what that came to. */
import { type Cell, hasTag, type Notebook } from "../../../kernel/notebook/format.ts";
import { type Attached, outputOf } from "./outputs.ts";

/** A fence that is longer than any in the text. */
const fenced = (code: string): string => {
  const longest = Math.max(2, ...[...code.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}ts\n${code.trimEnd()}\n${fence}`;
};

/** What Markdown does not see as code: `change` is made to it alone. */
function outsideCode(text: string, change: (plain: string) => string): string {
  const code = /(^(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\2[^\n]*$|(`+)(?!`)[\s\S]*?(?<!`)\3(?!`))/m;
  const found = code.exec(text);
  if (!found) return change(text);
  const end = found.index + found[0].length;
  return change(text.slice(0, found.index)) + found[0] + outsideCode(text.slice(end), change);
}

/** TeX as the site takes it: an environment between dollars, and display mathematics on lines of its own. */
const forSite = (text: string): string =>
  outsideCode(text, (plain) =>
    plain
      .replace(/(?<!\$\$\s*)^\\begin\{(\w+\*?)\}[\s\S]*?\\end\{\1\}/gm, (tex) => `$$\n${tex}\n$$`)
      // On a line of its own, display mathematics is a paragraph here.
      .replace(
        /^ {0,3}\$\$((?:(?!\$\$)[\s\S])+?)\$\$[ \t]*([.,;]?)[ \t]*$/gm,
        (_, tex: string, mark: string) => `\n$$\n${tex.trim()}${mark}\n$$\n`,
      )
      // Within a line it stays there.
      .replace(/\$\$([^$\n]+)\$\$/g, (_, tex: string) => `$\\displaystyle ${tex.trim()}$`),
  );

/** Pictures that the cell itself carries become files beside the page. */
function withAttachments(cell: Exclude<Cell, { cell_type: "code" }>, attached: Attached): string {
  return cell.source.replace(/\]\(attachment:([^)\s]+)\)/g, (address, name: string) => {
    const [found] = Object.entries(cell.attachments?.[decodeURIComponent(name)] ?? {});
    if (!found) return address;
    const [type, value] = found;
    return `](${attached.add(type.replace(/^image\/|\+.*$/g, ""), Buffer.from(String(value), "base64"))})`;
  });
}

function cellOf(cell: Cell, attached: Attached): string {
  if (cell.cell_type !== "code")
    return cell.cell_type === "raw" ? "" : forSite(withAttachments(cell, attached));
  if (cell.source.trim() === "") return "";
  const outputs = cell.outputs.map((output) => outputOf(output, attached)).filter((text) => text !== "");
  const { source_hidden } = (cell.metadata.jupyter ?? {}) as { source_hidden?: boolean };
  const isFolded = source_hidden && !hasTag(cell, "solution");
  const source = isFolded
    ? `:::: details Show the code\n\n${fenced(cell.source)}\n\n::::`
    : fenced(cell.source);
  return [source, ...outputs].join("\n\n");
}

/** Its first heading as plain text. */
export function titleOf(notebook: Notebook, fallback: string): string {
  for (const { cell_type, source } of notebook.cells) {
    const [, title] = (cell_type === "markdown" && /^# (.*)$/m.exec(source)) || [];
    if (title) return title.replace(/[*`$]/g, "").trim();
  }
  return fallback;
}

/** The page in Markdown. What stands in cells tagged `solution` is folded away, neighbours together. */
export function notebookMarkdown(notebook: Notebook, name: string, attached: Attached): string {
  const parts: string[] = [];
  let solution: string[] = [];
  const endSolution = (): void => {
    if (solution.length === 0) return;
    parts.push(["::::: details Show the solution", ...solution, ":::::"].join("\n\n"));
    solution = [];
  };
  const hasTitle = notebook.cells.some(
    ({ cell_type, source }) => cell_type === "markdown" && /^# /m.test(source),
  );
  if (!hasTitle) parts.push(`# ${name}`);
  for (const cell of notebook.cells) {
    const text = cellOf(cell, attached);
    if (text === "") continue;
    if (hasTag(cell, "solution")) solution.push(text);
    else {
      endSolution();
      parts.push(text);
    }
  }
  endSolution();
  return `${parts.join("\n\n")}\n`;
}
