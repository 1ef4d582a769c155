/** Parsers for option values, shared by the commands. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { type DatasetName, datasetNames } from "../data/index.ts";
import { DEVICES, type Device, useDevice } from "../devices/index.ts";
import { failRank } from "../distributed/rank-process.ts";
import { describeField, type z } from "../schema.ts";

export function integer(value: string): number {
  if (!/^\d+$/.test(value)) throw new InvalidArgumentError("expected a whole number of 0 or more.");
  return Number(value);
}

export function positiveInteger(value: string): number {
  if (!/^\d+$/.test(value) || Number(value) < 1)
    throw new InvalidArgumentError("expected a whole number of 1 or more.");
  return Number(value);
}

/** A seed may be negative. */
export function anyInteger(value: string): number {
  if (!/^-?\d+$/.test(value) || !Number.isSafeInteger(Number(value)))
    throw new InvalidArgumentError("expected a whole number.");
  return Number(value);
}

export function real(value: string): number {
  const number = Number(value);
  if (value.trim() === "" || !Number.isFinite(number)) throw new InvalidArgumentError("expected a number.");
  return number;
}

/** An option for a field of plain data, which says of it what the schema does. */
export function schemaOption<T>(
  fields: z.ZodObject,
  flags: string,
  path: string,
  parse: (value: string, previous?: T) => T,
): Option {
  const text = describeField(fields, path);
  return new Option(flags, `${text[0].toLowerCase()}${text.slice(1).replace(/\.$/, "")}`).argParser(
    parse as (value: string, previous: T) => T,
  );
}

export const datasetOption = (): Option =>
  new Option("--dataset <name>", "data set").choices(datasetNames).default("mnist" satisfies DatasetName);

export const dataFolderOption = (): Option =>
  new Option(
    "--data <folder>",
    "folder with the data set's four IDX files (default: the built-in or downloaded ones)",
  );

export const deviceOption = (): Option =>
  new Option(
    "--device <name>",
    "where it runs; 'ditlab devices' lists what this machine has (default: DITLAB_DEVICE, else cpu)",
  ).choices([...DEVICES, "auto"]);

/** A command that puts the process on a device, that of its option or the environment, before it begins. */
export const withDevice = (command: Command): Command =>
  command.addOption(deviceOption()).hook("preAction", async () => {
    const { device } = command.opts<{ device?: Device | "auto" }>();
    try {
      await useDevice(device ?? (process.env.DITLAB_DEVICE ? undefined : "cpu"));
    } catch (error) {
      // Other ranks mostly lack the same: one of them speaks.
      await failRank(error);
      throw error;
    }
  });

export const jsonOption = (): Option => new Option("--json", "print the result as JSON on stdout");

/** Where jobs are put, or taken from. */
export const queueOption = (what: string): Option =>
  new Option(
    "--queue [url]",
    `${what}: redis://[user:password@]host[:port][/database], rediss:// for TLS (default: DITLAB_QUEUE)`,
  );

/** The address of a queue: that of the option, or where it names none that of the environment. */
export function queueUrl(given: string | true): string {
  const url = given === true ? process.env.DITLAB_QUEUE : given;
  if (!url) throw new Error("--queue names no server; expected redis://host, here or in DITLAB_QUEUE");
  return url;
}

/** Files by name: `dinov2=features.npy`. */
export function namedFile(value: string, before: Record<string, string> = {}): Record<string, string> {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(value) ?? [];
  if (name === undefined)
    throw new InvalidArgumentError("expected a name and a file, as in dinov2=features.npy.");
  if (Object.hasOwn(before, name))
    throw new InvalidArgumentError(`${name} is ${before[name]} already; expected another name.`);
  return { ...before, [name]: path };
}
