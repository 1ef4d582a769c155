/** What was run, in this session and in earlier ones, for `history_request`. */

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

/** What was run in one session of a kernel; sessions are numbered from 1, oldest first. */
export interface HistorySession {
  readonly number: number;
  readonly entries: readonly HistoryEntry[];
}

/** The glob of a history search as a regular expression. */
function glob(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replace(/\*/g, "[^]*").replace(/\?/g, "[^]")}$`);
}

/** The sessions that a range is of: this one (0), one of those before it (-1 is the last), or one by its number. */
function sessionsOf(sessions: readonly HistorySession[], wanted: number): readonly HistorySession[] {
  const number = wanted > 0 ? wanted : sessions.length + wanted;
  return sessions.filter((session) => session.number === number);
}

/** @param sessions the last of them is this one */
export function searchHistory(sessions: readonly HistorySession[], request: HistoryRequest): unknown[] {
  const { hist_access_type, output, session = 0, start = 0, stop, n, pattern = "*", unique } = request;
  const flat = (of: readonly HistorySession[]) =>
    of.flatMap(({ number, entries }) => entries.map((entry) => ({ number, entry })));
  type Found = ReturnType<typeof flat>;
  const last = (list: Found): Found => (n === undefined ? list : n > 0 ? list.slice(-n) : []);
  let found: Found = [];
  if (hist_access_type === "tail") found = last(flat(sessions));
  else if (hist_access_type === "range")
    found = flat(sessionsOf(sessions, session)).filter(
      ({ entry: { line } }) => line >= start && (stop === undefined || line < stop),
    );
  else if (hist_access_type === "search") {
    const matching = flat(sessions).filter(({ entry }) => glob(pattern).test(entry.input));
    const newest = new Map(matching.map((one) => [one.entry.input, one]));
    found = last(unique ? matching.filter((one) => newest.get(one.entry.input) === one) : matching);
  }
  return found.map(({ number, entry: { line, input, output: shown } }) => [
    number,
    line,
    output ? [input, shown ?? null] : input,
  ]);
}
