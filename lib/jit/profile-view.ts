/** A profile to look at: tables as text, tables and a flame graph as HTML. */
import type { Profile } from "./profile-types.ts";

type Data = Omit<Profile, "toString" | "toHtml">;
type Row = readonly string[];
interface Table {
  title: string;
  header: Row;
  rows: Row[];
  /** Each row's share of the whole. */
  shares: number[];
}

const ms = (seconds: number): string => `${(seconds * 1000).toFixed(seconds < 0.1 ? 2 : 0)} ms`;
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

function bytes(count: number): string {
  const units = ["B", "KB", "MB", "GB"];
  const i = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(count, 1)) / 3));
  return `${(count / 1000 ** i).toFixed(i === 0 ? 0 : 1)} ${units[i]}`;
}

const UNNAMED = "(no name)";

function headline({ name, seconds, nodes, flops, memory }: Data): string {
  const rate = flops / seconds / 1e9;
  return [
    `${name}: ${ms(seconds)} in ${nodes} operators`,
    `${(flops / 1e9).toFixed(flops < 1e10 ? 2 : 0)} GFLOP, ${rate.toFixed(0)} GFLOP/s`,
    `memory: arguments ${bytes(memory.arguments)}, results ${bytes(memory.results)}, in between ${bytes(memory.between)}`,
  ].join("; ");
}

function tables({ seconds, parts, operators, products }: Data): Table[] {
  const table = <T extends { calls: number; seconds: number }>(
    title: string,
    header: Row,
    entries: readonly T[],
    cells: (entry: T) => Row,
  ): Table => {
    const shares = entries.map((entry) => entry.seconds / seconds);
    const rows = entries.map((entry, i) => [
      ...cells(entry),
      String(entry.calls),
      ms(entry.seconds),
      percent(shares[i]),
    ]);
    return { title, header: [...header, "calls", "time", "share"], rows, shares };
  };
  return [
    table("By part", ["part"], parts, ({ part }) => [part || UNNAMED]),
    table("By operator", ["operator"], operators, ({ operator }) => [operator]),
    table("Matrix products", ["operator", "shapes", "GFLOP/s"], products, ({ operator, shapes, gflops }) => [
      operator,
      shapes,
      gflops.toFixed(0),
    ]),
  ].filter(({ rows }) => rows.length > 0);
}

/** Rows beyond these say little; the JSON has them all. */
const MOST_ROWS = 20;
const NUMBERS = new Set(["calls", "time", "share", "GFLOP/s"]);

export function profileText(profile: Data): string {
  const text = tables(profile).map(({ title, header, rows }) => {
    const shown = [header, ...rows.slice(0, MOST_ROWS)];
    const widths = header.map((_, i) => Math.max(...shown.map((row) => row[i].length)));
    const lines = shown.map((row) =>
      row
        .map((cell, i) => (NUMBERS.has(header[i]) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join("  ")
        .trimEnd(),
    );
    const rest = rows.length > MOST_ROWS ? [`… and ${rows.length - MOST_ROWS} more`] : [];
    return [title, ...lines, ...rest].join("\n");
  });
  return [headline(profile), ...text].join("\n\n");
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

interface Flame {
  seconds: number;
  inside: Map<string, Flame>;
}

/** The parts as a tree: time in a part includes that of the parts inside. */
function flameOf({ parts }: Data): Flame {
  const root: Flame = { seconds: 0, inside: new Map() };
  for (const { part, seconds } of parts) {
    let flame = root;
    flame.seconds += seconds;
    for (const name of (part || UNNAMED).split("/")) {
      const next = flame.inside.get(name) ?? { seconds: 0, inside: new Map() };
      flame.inside.set(name, next);
      next.seconds += seconds;
      flame = next;
    }
  }
  return root;
}

const WIDTH = 900;
const ROW = 22;
/** Legible on light and on dark, with black text. */
const COLOURS = ["#e69f00", "#56b4e9", "#3fb68b", "#f0e442", "#d98ab5", "#e8825a", "#9fb2c8"];

/** Rectangles as wide as their time, the parts of a part below it. */
function flameGraph(profile: Data): string {
  const root = flameOf(profile);
  const shapes: string[] = [];
  let deepest = 0;
  const draw = (flame: Flame, x: number, depth: number, path: string, colour?: string): void => {
    let left = x;
    const inside = [...flame.inside].sort(([, a], [, b]) => b.seconds - a.seconds);
    inside.forEach(([name, part], i) => {
      const width = (part.seconds / root.seconds) * WIDTH;
      if (width >= 0.5) {
        const fill = colour ?? COLOURS[i % COLOURS.length];
        const full = path === "" ? name : `${path}/${name}`;
        const label = `${full}: ${ms(part.seconds)}, ${percent(part.seconds / root.seconds)}`;
        const fits = Math.floor((width - 8) / 6.6);
        const text = fits >= 3 ? (name.length > fits ? `${name.slice(0, fits - 1)}…` : name) : "";
        const opacity = Math.max(0.45, 1 - 0.14 * depth);
        shapes.push(
          `<g><title>${escaped(label)}</title><rect x="${left.toFixed(1)}" y="${depth * ROW}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${fill}" fill-opacity="${opacity.toFixed(2)}" stroke="#fff" stroke-width="0.5"/>` +
            `<text x="${(left + 4).toFixed(1)}" y="${depth * ROW + 15}" font-size="11.5" fill="#111">${escaped(text)}</text></g>`,
        );
        deepest = Math.max(deepest, depth + 1);
        draw(part, left, depth + 1, full, fill);
      }
      left += width;
    });
  };
  draw(root, 0, 0, "");
  const height = deepest * ROW;
  return `<svg role="img" aria-label="Time by part" viewBox="0 0 ${WIDTH} ${height}" width="100%" style="max-width:${WIDTH}px;background:#fff" font-family="ui-monospace, monospace">${shapes.join("")}</svg>`;
}

/** A bar behind a table's cell, the longest for the largest share. */
const bar = (share: number, largest: number): string => {
  const width = ((share / largest) * 100).toFixed(1);
  return `min-width:9em;text-align:right;background:linear-gradient(to right, rgba(86,180,233,0.45) ${width}%, transparent ${width}%)`;
};

function tableHtml({ title, header, rows, shares }: Table): string {
  const side = (i: number): string => `text-align:${NUMBERS.has(header[i]) ? "right" : "left"}`;
  const head = header.map((cell, i) => `<th style="${side(i)}">${escaped(cell)}</th>`).join("");
  const body = rows.map((row, r) => {
    const cells = row.map((cell, i) => {
      const style = header[i] === "share" ? bar(shares[r], shares[0]) : side(i);
      return `<td style="${style}">${escaped(cell)}</td>`;
    });
    return `<tr>${cells.join("")}</tr>`;
  });
  return `<details${title === "By part" ? " open" : ""}><summary>${escaped(title)}</summary><table style="font-variant-numeric:tabular-nums"><thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table></details>`;
}

/** A piece of HTML without scripts, so that it shows wherever HTML does. */
export const profileHtml = (profile: Data): string =>
  `<p>${escaped(headline(profile))}</p>${flameGraph(profile)}${tables(profile).map(tableHtml).join("")}`;
