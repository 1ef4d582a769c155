/** IPython's way to ask about a name: `name?`, `?name`, and with two marks for its source as well. */
export interface NameQuestion {
  readonly name: string;
  readonly wantsSource: boolean;
}

export function nameQuestion(code: string): NameQuestion | undefined {
  const [, before, name, after] =
    /^\s*(\?{0,2})\s*([\p{ID_Start}$_][\p{ID_Continue}$.]*)\s*(\?{0,2})\s*$/u.exec(code) ?? [];
  // On one side of the name.
  if (name === undefined || (before === "") === (after === "")) return undefined;
  return { name, wantsSource: (before + after).length === 2 };
}
