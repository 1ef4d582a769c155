/**
 * Plain data that people write by hand, such as configs, described once: the description gives their type, checks them,
 * and is what the command's help and the documentation say of a field.
 */
// Ahead of zod.
import "./globals.ts";
import { closest, distance } from "fastest-levenshtein";
import * as z from "zod";
import { unlist } from "./globals.ts";

unlist("__zod_globalConfig", "__zod_globalRegistry");

export { z };

/** A whole number of at least 1. */
export const count = (what: string) =>
  z.int("a positive integer").min(1, "a positive integer").describe(what);
/** A finite number of at least 0. */
export const atLeast0 = (what: string) =>
  z.number("a number of 0 or more").min(0, "a number of 0 or more").describe(what);
/** A finite number above 0. */
export const positive = (what: string) =>
  z.number("a number above 0").gt(0, "a number above 0").describe(what);
/** A finite number from 0 to 1. */
export const share = (what: string) =>
  z.number("from 0 to 1").min(0, "from 0 to 1").max(1, "from 0 to 1").describe(what);
export const flag = (what: string) => z.boolean("true or false").describe(what);
export const oneOf = <const T extends readonly string[]>(names: T, what: string) =>
  z.enum(names as unknown as [T[number], ...T[number][]], names.join(" or ")).describe(what);

type Issue = z.core.$ZodIssue;

const at = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((part, key) => (part as Record<PropertyKey, unknown> | undefined)?.[key], value);

/** The object that a schema describes at a path of a value, also behind `optional` and in a union. */
function objectAt(
  schema: z.core.$ZodType,
  path: readonly PropertyKey[],
  value?: unknown,
): Record<string, unknown> | undefined {
  if (schema instanceof z.ZodOptional) return objectAt(schema.unwrap(), path, value);
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const tag = (value as Record<string, unknown> | undefined)?.[schema.def.discriminator];
    const chosen = schema.options.filter((option) => tagOf(option, schema.def.discriminator) === tag);
    const options = chosen.length > 0 ? chosen : schema.options;
    return options.map((option) => objectAt(option, path, value)).find((shape) => shape !== undefined);
  }
  if (schema instanceof z.ZodUnion)
    return schema.options.map((option) => objectAt(option, path, value)).find((shape) => shape !== undefined);
  const inner = path.length === 0 ? value : at(value, path.slice(0, 1));
  if (schema instanceof z.ZodArray) return objectAt(schema.element, path.slice(1), inner);
  if (!(schema instanceof z.ZodObject)) return undefined;
  if (path.length === 0) return schema.shape;
  const next = schema.shape[String(path[0])];
  return next && objectAt(next, path.slice(1), inner);
}

/** What tells an object of a discriminated union from the others. */
const tagOf = (option: z.core.$ZodType, discriminator: string): unknown => {
  const field = option instanceof z.ZodObject ? option.shape[discriminator] : undefined;
  const literal = field instanceof z.ZodOptional ? field.unwrap() : field;
  return literal instanceof z.ZodLiteral ? literal.value : undefined;
};

/** The tags of the discriminated union at a path. */
function tagsAt(schema: z.core.$ZodType, path: readonly PropertyKey[], value: unknown): string {
  const parent = objectAt(schema, path.slice(0, -2), value);
  const step = path.at(-2);
  const field = parent?.[String(step)] ?? objectAt(schema, path.slice(0, -3), value)?.[String(path.at(-3))];
  const union = path.length === 1 ? schema : field instanceof z.ZodArray ? field.element : field;
  if (!(union instanceof z.ZodDiscriminatedUnion)) return "one of the known kinds";
  return union.options.map((option) => String(tagOf(option, String(path.at(-1))))).join(" or ");
}

/** The nearest of some names, if one is near enough to have been meant. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const found = closest(
    name.toLowerCase(),
    names.map((other) => other.toLowerCase()),
  );
  const original = names.find((other) => other.toLowerCase() === found)!;
  return distance(name.toLowerCase(), found) <= Math.max(2, name.length / 3) ? original : undefined;
}

/** A field that nobody knows, with the nearest right name. */
function unknownField(path: string, name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return `${path} is unknown, ${meant ? `did you mean ${meant}?` : `expected one of ${known.join(", ")}`}`;
}

const shown = (value: unknown): string => {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "function") return "a function";
  return JSON.stringify(value) ?? String(value);
};

/** What zod calls the types of JSON. */
const KINDS: Readonly<Record<string, string>> = {
  object: "an object",
  array: "a list",
  tuple: "a list",
  string: "a text",
  number: "a number",
  int: "an integer",
  boolean: "true or false",
};

/** What is expected where a schema has no words of its own. */
function expectedOf(issue: z.core.$ZodRawIssue): string {
  if (issue.code === "invalid_type") return KINDS[issue.expected] ?? issue.expected;
  if (issue.code === "invalid_value") return issue.values.map((value) => shown(value)).join(" or ");
  return "another value";
}

/** What is wrong, a phrase for each field. */
function problems(
  issue: Issue,
  schema: z.core.$ZodType,
  value: unknown,
  prefix: readonly PropertyKey[],
): string[] {
  const path = [...prefix, ...issue.path];
  const name = path.map(String).join(".");
  const got = at(value, path);
  if (issue.code === "unrecognized_keys") {
    const known = Object.keys(objectAt(schema, path, value) ?? {});
    return issue.keys.map((key) => unknownField([...path.map(String), key].join("."), key, known));
  }
  if (issue.code === "invalid_union" && typeof got === "object" && got !== null) {
    // Of what it may be, the object (or list) that it resembles most.
    const [branch] = issue.errors
      .filter((errors) => !errors.some(({ code, path }) => code === "invalid_type" && path.length === 0))
      .sort((a, b) => a.length - b.length);
    if (branch) return branch.flatMap((inner) => problems(inner, schema, value, path));
  }
  if (issue.code === "invalid_union" && issue.errors.length === 0) {
    const expected = tagsAt(schema, path, value);
    if (got === undefined) return [`${name} is missing, expected ${expected}`];
    return [`${name} must be ${expected}, got ${shown(got)}`];
  }
  if (name === "") return [`it must be ${issue.message}, got ${shown(got)}`];
  if (got === undefined) return [`${name} is missing, expected ${issue.message}`];
  return [`${name} must be ${issue.message}, got ${shown(got)}`];
}

/**
 * Checks a value.
 * @throws RangeError, one sentence that names every field that is missing, unknown (with the nearest right name) or wrong.
 */
export function check<T>(schema: z.ZodType<T>, value: unknown, what: string): asserts value is T {
  const result = schema.safeParse(value, { error: expectedOf });
  if (result.success) return;
  const found = result.error.issues.flatMap((issue) => problems(issue, schema, value, []));
  throw new RangeError(`${what}: ${found.join("; ")}`);
}

/** The same for options that no schema describes. @throws RangeError naming every field that is unknown. */
export function checkKnown(given: object, known: readonly string[], what: string): void {
  const unknown = Object.entries(given).filter(
    ([name, value]) => value !== undefined && !known.includes(name),
  );
  if (unknown.length > 0)
    throw new RangeError(`${what}: ${unknown.map(([name]) => unknownField(name, name, known)).join("; ")}`);
}

/** What a schema says of a field, for example `adamW.betas`. */
export function describeField(schema: z.ZodObject, path: string): string {
  const parts = path.split(".");
  const parent = objectAt(schema, parts.slice(0, -1));
  const field = parent?.[parts.at(-1)!] as z.ZodType | undefined;
  if (!field) throw new Error(`there is no field ${path}`);
  return (
    field.description ??
    (field instanceof z.ZodOptional ? (field.unwrap() as z.ZodType).description : "") ??
    ""
  );
}
