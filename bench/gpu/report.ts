/** One JSON line a result, on the standard output and in the file GPU_OUT; a part that fails says so and ends alone. */
import { appendFileSync } from "node:fs";

export type Line = Readonly<Record<string, unknown>>;
export function report(part: string, line: Line): void {
  const text = JSON.stringify({ part, ...line }, (_, value) => {
    if (typeof value === "bigint") return Number(value);
    return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
  });
  console.log(text);
  if (process.env.GPU_OUT) appendFileSync(process.env.GPU_OUT, `${text}\n`);
}

/** Runs one measurement; what it throws becomes its result. */
export async function attempt(part: string, about: Line, body: () => Line | Promise<Line>): Promise<void> {
  try {
    report(part, { ...about, ...(await body()) });
  } catch (error) {
    report(part, { ...about, error: String(error instanceof Error ? error.message : error).slice(0, 600) });
  }
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1];

/** Norm of the difference over the norm of the reference. */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < want.length; i++) {
    difference += (got[i] - want[i]) ** 2;
    norm += want[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}
