/** The arguments of a front end's requests, checked: what is wrong with one is said in a sentence. */
import type { Json } from "../protocol/message.ts";
import type { DapSource, WantedBreakpoint } from "./dap.ts";

export const number = (args: Json, name: string): number => {
  const value = args[name];
  if (typeof value !== "number" || !Number.isInteger(value))
    throw new Error(`${name}: an integer expected, got ${JSON.stringify(value)}`);
  return value;
};
export const optionalNumber = (args: Json, name: string): number | undefined =>
  args[name] === undefined || args[name] === null ? undefined : number(args, name);
export const text = (args: Json, name: string): string => {
  const value = args[name];
  if (typeof value !== "string") throw new Error(`${name}: a text expected, got ${JSON.stringify(value)}`);
  return value;
};
export const source = ({ source: value }: Json): DapSource => {
  const { path, name } = (value ?? {}) as Partial<DapSource>;
  if (typeof path !== "string") throw new Error(`source.path: a text expected, got ${JSON.stringify(path)}`);
  return typeof name === "string" ? { name, path } : { path };
};

export function wantedBreakpoints({ breakpoints = [] }: Json): WantedBreakpoint[] {
  if (!Array.isArray(breakpoints))
    throw new Error(`breakpoints: a list expected, got ${JSON.stringify(breakpoints)}`);
  return breakpoints.map((one: Json) => {
    const [condition, logMessage] = [one.condition, one.logMessage].map((value) =>
      typeof value === "string" ? value : undefined,
    );
    return { line: number(one, "line"), column: optionalNumber(one, "column"), condition, logMessage };
  });
}
