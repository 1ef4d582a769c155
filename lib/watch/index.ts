export { runScanner, type WatchedRun } from "./scan.ts";
export { type WatchServer, watchRuns } from "./server.ts";
