export { type DemoOptions, runDemo } from "./demo.ts";
export { PAPER_PRESETS, PAPER_RESOLUTIONS, paperConfig } from "./paper.ts";
export { SCALES, type Scale, type ScaleName, scaleConfig, scaleSRA } from "./presets.ts";
export { type Finding, findingsOf, summarize } from "./report/findings.ts";
export { parseResults, type ReportImages, readImages } from "./report/read.ts";
export { renderReport, writeReport } from "./report/report.ts";
export type { Reporter } from "./reporter.ts";
export type * from "./results.ts";
export { summaryLines } from "./summary.ts";
