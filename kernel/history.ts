/** What was run in this session, for `history_request`. */

export interface HistoryEntry {
  readonly line: number;
  readonly input: string;
  output?: string;
}

export interface HistoryRequest {
  readonly hist_access_type?: string;
  readonly output?: boolean;
  readonly session?: number;
  readonly start?: number;
  readonly stop?: number;
  readonly n?: number;
  readonly pattern?: string;
  readonly unique?: boolean;
}

/** The number of this session; earlier ones are not kept. */
const SESSION = 1;

/** The glob of a history search as a regular expression. */
function glob(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\*/g, "[^]*").replace(/\?/g, "[^]")}$`);
}

export function searchHistory(entries: readonly HistoryEntry[], request: HistoryRequest): unknown[] {
  const { hist_access_type, output, session = 0, start = 0, stop, n, pattern = "*", unique } = request;
  const last = (list: readonly HistoryEntry[]) => (n === undefined ? list : n > 0 ? list.slice(-n) : []);
  let found: readonly HistoryEntry[] = [];
  if (hist_access_type === "tail") found = last(entries);
  else if (hist_access_type === "range" && (session === 0 || session === SESSION))
    found = entries.filter(({ line }) => line >= start && (stop === undefined || line < stop));
  else if (hist_access_type === "search") {
    const matching = entries.filter(({ input }) => glob(pattern).test(input));
    const newest = new Map(matching.map((entry) => [entry.input, entry]));
    found = last(unique ? matching.filter((entry) => newest.get(entry.input) === entry) : matching);
  }
  return found.map(({ line, input, output: shown }) => [
    SESSION,
    line,
    output ? [input, shown ?? null] : input,
  ]);
}
