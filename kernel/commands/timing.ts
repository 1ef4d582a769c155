/** How long code takes: several runs of as many loops as fill a moment, as Python's timeit counts. */

const RUNS = 7;
/** The least that one run takes, in milliseconds. */
const MOMENT = 100;

const UNITS: readonly [number, string][] = [
  [1e3, "s"],
  [1, "ms"],
  [1e-3, "µs"],
  [1e-6, "ns"],
];

/** A time in milliseconds, in the unit that reads well. */
function timeText(milliseconds: number): string {
  const [size, unit] = UNITS.find(([least]) => milliseconds >= least) ?? UNITS.at(-1)!;
  return `${Number((milliseconds / size).toPrecision(3))} ${unit}`;
}

/** Keeps results alive, so that no code is left out as useless. */
let kept: unknown;

async function run(body: () => unknown, loops: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < loops; i++) {
    kept = body();
    if (kept instanceof Promise) await kept;
  }
  return performance.now() - start;
}

/** One line about how long `body` takes. */
export async function timeit(body: () => unknown): Promise<string> {
  let loops = 1;
  let first = await run(body, loops);
  while (first < MOMENT && loops < 1e9) {
    loops *= 10;
    first = await run(body, loops);
  }
  const times = [first / loops];
  for (let i = 1; i < RUNS; i++) times.push((await run(body, loops)) / loops);
  const mean = times.reduce((sum, time) => sum + time, 0) / RUNS;
  const deviation = Math.sqrt(times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / RUNS);
  const each = `${RUNS} runs of ${loops.toLocaleString("en")} ${loops === 1 ? "loop" : "loops"}`;
  return `${timeText(mean)} ± ${timeText(deviation)} (mean and standard deviation of ${each})`;
}
