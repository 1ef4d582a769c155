/**
 * Draws one block of SiT-S/2's training step before and after fusion: its nodes, and the kernels that they become.
 * npx tsx bench/plan-picture.ts writes docs/images/plan.svg.
 */
import { writeFile } from "node:fs/promises";
import { anyGPU, planStep, stepConfig } from "./planned-step.ts";

const BLOCK = "student/blocks.5/";
const PARTS = [
  "modulation",
  "attention",
  "mlp",
  "mlp/gradient",
  "attention/gradient",
  "modulation/gradient",
] as const;
const COLORS = ["#8250df", "#0969da", "#1a7f37", "#1a7f37", "#0969da", "#8250df"];
/** Nodes that move no data. */
const VIEWS = new Set(["Reshape", "Transpose"]);

const { section, plan } = await planStep(stepConfig("SiT-S/2", "plain", 8), anyGPU(8));
const before = section.live.nodes.filter(({ op }) => !VIEWS.has(op));
const of = (part: string, scope: string | undefined): boolean => scope === BLOCK + part;

const [CELL, GAP, ROW, HEAD, LEFT, RIGHT, WIDTH] = [13, 3, 20, 26, 24, 330, 820];
const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const shapes: string[] = [];
let [y, nodesTotal, kernelsTotal] = [58, 0, 0];
for (const [i, part] of PARTS.entries()) {
  const nodes = before.filter(({ scope }) => of(part, scope));
  const kernels = plan.kernels.filter(({ node }) => of(part, node?.scope));
  nodesTotal += nodes.length;
  kernelsTotal += kernels.length;
  const across = 16;
  shapes.push(`<text x="${LEFT}" y="${y + 13}" class="part">${part}: ${nodes.length} nodes</text>`);
  shapes.push(
    `<text x="${RIGHT}" y="${y + 13}" class="part">${kernels.length} ${kernels.length === 1 ? "kernel" : "kernels"}</text>`,
  );
  nodes.forEach(({ op }, n) => {
    const [column, row] = [n % across, Math.floor(n / across)];
    shapes.push(
      `<rect x="${LEFT + column * (CELL + GAP)}" y="${y + HEAD + row * (CELL + GAP)}" width="${CELL}" height="${CELL}" rx="2" fill="${COLORS[i]}"><title>${op}</title></rect>`,
    );
  });
  kernels.forEach(({ label }, n) => {
    const top = y + HEAD + n * ROW;
    shapes.push(
      `<rect x="${RIGHT}" y="${top}" width="${WIDTH - RIGHT - LEFT}" height="${ROW - 4}" rx="3" fill="${COLORS[i]}"/>`,
      `<text x="${RIGHT + 8}" y="${top + 12}" class="kernel">${escaped(label.replaceAll("+", " + "))}</text>`,
    );
  });
  const rows = Math.ceil(nodes.length / across);
  y += HEAD + Math.max(rows * (CELL + GAP), kernels.length * ROW) + 12;
}
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 6}" width="${WIDTH}" height="${y + 6}">
<style>text{font:12px system-ui,sans-serif;fill:#24292f}.head{font-weight:600;font-size:15px}.part{fill:#57606a}.kernel{fill:#fff;font-size:11px}</style>
<rect width="${WIDTH}" height="${y + 6}" fill="#fff"/>
<text x="${LEFT}" y="34" class="head">One block, traced: ${nodesTotal} nodes</text>
<text x="${RIGHT}" y="34" class="head">As it is launched: ${kernelsTotal} kernels</text>
${shapes.join("\n")}
</svg>
`;
await writeFile(new URL("../docs/images/plan.svg", import.meta.url), svg);
console.log(`${nodesTotal} nodes, ${kernelsTotal} kernels`);
