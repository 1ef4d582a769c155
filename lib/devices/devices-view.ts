/** What `devices` found, to look at: as text of at most 100 columns, and as HTML. */
import type { DeviceReport, DevicesReport, Outcome } from "./findings.ts";
import { eagerOf, TARGET_OF } from "./names.ts";

type Data = Omit<DevicesReport, "toString" | "toHtml">;

const COLUMNS = 100;
const HEADER = ["device", "compiled", "eager"];

/** Two digits say what a short measurement knows. */
function speed(gflops: number): string {
  if (gflops >= 1000) return `${Number((gflops / 1000).toPrecision(2))} TFLOP/s`;
  return `${gflops >= 10 ? Math.round(gflops) : gflops.toPrecision(2)} GFLOP/s`;
}

const cellOf = (outcome: Outcome | undefined): string =>
  outcome?.gflops !== undefined ? speed(outcome.gflops) : outcome ? "fails" : "-";

function cellsOf({ device, works, compiled, eager }: DeviceReport): string[] {
  const cell = (on: string, outcome?: Outcome): string =>
    works && on !== device ? `as ${on}` : cellOf(outcome);
  return [device, cell(TARGET_OF[device], compiled), cell(eagerOf(device), eager)];
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** What it is, and what is in its way. */
function aboutOf({ hardware, runtime, problem, fix, device }: DeviceReport): string {
  const parts: string[] = [];
  // A package's processor is that of `cpu`.
  if (hardware && TARGET_OF[device] === device) {
    const { name, isSoftware, driver, threads, memory, features = [] } = hardware;
    parts.push(isSoftware ? `${name} (played by the processor)` : name);
    if (driver) parts.push(`driver ${driver}`);
    if (threads !== undefined) parts.push(`${threads} thread${threads > 1 ? "s" : ""}`);
    const isLimit = device === "webgpu";
    parts.push(`${isLimit ? "buffers up to " : ""}${gigabytes(memory)}${isLimit ? "" : " of memory"}`);
    if (runtime) parts.push(runtime);
    if (features.length > 0) parts.push(features.join(" "));
  }
  if (runtime && TARGET_OF[device] !== device) parts.push(runtime);
  if (problem !== undefined) parts.push(fix === undefined ? problem : `${problem}: ${fix}`);
  return parts.join("; ");
}

/** Lines of words, as long as they may be, all but the first set in. */
function wrapped(text: string, indent: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const width = COLUMNS - (lines.length > 0 ? indent : 0);
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`);
}

const footnote = ({ auto, reason }: Data): string =>
  `what useDevice() and --device auto take: ${auto}${reason === undefined ? "" : ` (${reason})`}`;

export function devicesText(report: Data): string {
  const rows = [HEADER, ...report.devices.map(cellsOf)];
  const widths = HEADER.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const table = rows.map((row) => {
    const cells = row.map((cell, i) => cell.padEnd(widths[i])).join("   ");
    return `${row[0] === report.auto ? "*" : " "} ${cells}`.trimEnd();
  });
  const about = report.devices.flatMap((item) => {
    const text = aboutOf(item);
    return text === "" ? [] : [wrapped(`${item.device.padEnd(widths[0])}   ${text}`, widths[0] + 3)];
  });
  return [...table, "", ...about, "", wrapped(`* ${footnote(report)}`, 2)].join("\n");
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** A piece of HTML without scripts, so that it shows wherever HTML does. */
export function devicesHtml(report: Data): string {
  const side = (i: number): string => `text-align:${i === 1 || i === 2 ? "right" : "left"}`;
  const line = (tag: string, cells: readonly string[]): string =>
    `<tr>${cells.map((cell, i) => `<${tag} style="${side(i)}">${escaped(cell)}</${tag}>`).join("")}</tr>`;
  const rows = report.devices.map((item) => {
    const [name, ...cells] = cellsOf(item);
    return line("td", [name === report.auto ? `${name} *` : name, ...cells, aboutOf(item)]);
  });
  return `<table style="font-variant-numeric:tabular-nums"><thead>${line("th", [...HEADER, "what it is"])}</thead><tbody>${rows.join("")}</tbody></table><p>* ${escaped(footnote(report))}</p>`;
}
