/** Queues whose jobs fill folders below a folder: how far all jobs of each are, as who put them there has written it down. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { QueueState } from "../distributed/queue/index.ts";
import { QUEUE_FILE, readQueueFile } from "../distributed/queue/shared-folder.ts";

/** The jobs of one folder, as the page shows them. */
export interface WatchedQueue {
  /** Path below the watched folder, with `/`; empty for that folder itself. */
  id: string;
  /** When the state was this one (ms since 1970). */
  changed: number;
  state: QueueState;
}

/** Below `runs`, those of a table lie in `reproduce/<scale>-<data set>`. */
const DEEPEST = 3;

/** The queues below a folder, by path. */
export async function findQueues(folder: string, id = "", depth = 0): Promise<WatchedQueue[]> {
  const path = join(folder, id);
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const names = new Set(entries.map(({ name }) => name));
  const file = names.has(QUEUE_FILE) ? await readQueueFile(path) : undefined;
  const found = file ? [{ id, changed: file.changed, state: file.state }] : [];
  // A run holds no other folders of jobs.
  if (depth === DEEPEST || names.has("config.json")) return found;
  for (const entry of entries) {
    if (!entry.isDirectory() || entry.name.startsWith(".") || entry.name === "node_modules") continue;
    found.push(...(await findQueues(folder, id === "" ? entry.name : `${id}/${entry.name}`, depth + 1)));
  }
  return found.sort((a, b) => (a.id < b.id ? -1 : 1));
}
