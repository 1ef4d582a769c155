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
  return field instanceof z.ZodLiteral ? field.value : undefined;
};

/** The tags of the discriminated union at a path. */
function tagsAt(schema: z.core.$ZodType, path: readonly PropertyKey[], value: unknown): string {
  const parent = objectAt(schema, path.slice(0, -2), value);
  const step = path.at(-2);
  const field = parent?.[String(step)] ?? objectAt(schema, path.slice(0, -3), value)?.[String(path.at(-3))];
  const union = field instanceof z.ZodArray ? field.element : field;
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
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const full = [...path.map(String), key].join(".");
      return `${full} is unknown, ${meant ? `did you mean ${meant}?` : `expected one of ${known.join(", ")}`}`;
    });
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
    return [`${name} must be ${expected}, got ${JSON.stringify(got) ?? String(got)}`];
  }
  if (got === undefined) return [`${name} is missing, expected ${issue.message}`];
  return [`${name === "" ? "it" : name} must be ${issue.message}, got ${JSON.stringify(got) ?? String(got)}`];
}

/**
 * Checks a value.
 * @throws RangeError, one sentence that names every field that is missing, unknown (with the nearest right name) or wrong.
 */
export function check<T>(schema: z.ZodType<T>, value: unknown, what: string): asserts value is T {
  const result = schema.safeParse(value);
  if (result.success) return;
  const found = result.error.issues.flatMap((issue) => problems(issue, schema, value, []));
  throw new RangeError(`${what}: ${found.join("; ")}`);
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
