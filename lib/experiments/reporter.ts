/** Where progress goes: a bar in a terminal, lines in a log, nothing in a test. */
export interface Reporter {
  /** Begins a phase of `total` units. */
  begin(label: string, total: number): void;
  update(done: number, detail?: string): void;
  end(): void;
  note(message: string): void;
}
