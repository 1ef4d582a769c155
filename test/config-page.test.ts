/** docs/config.md says what the schema says; `DITLAB_UPDATE=1` with this test writes it anew. */
import { readFile, writeFile } from "node:fs/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "../lib/schema.ts";
import { trainConfigFields } from "../lib/train/config.ts";

const PAGE = new URL("../docs/config.md", import.meta.url);

const HEAD = `# The config of a training run

\`config.json\` in a run folder, \`ditlab train --config FILE\`, and \`TrainConfig\` in code are the same plain object. It is
checked before anything is written: every field that is missing, unknown (with the nearest right name) or wrong is named
in one message. Fields marked with ? may be left out.

A *schedule* is a number, a curve \`{ from, to, steps, shape, start?, hold? }\`, or a list of curves, of which the last that
has started holds.

| field | meaning |
| --- | --- |
`;

/** Unwraps what may be left out. */
function plain(field: z.ZodType): { inner: z.ZodType; optional: boolean; text: string } {
  const optional = field instanceof z.ZodOptional;
  const inner = optional ? (field.unwrap() as z.ZodType) : field;
  return { inner, optional, text: field.description ?? inner.description ?? "" };
}

function rows(shape: Record<string, z.ZodType>, prefix = ""): string[] {
  return Object.entries(shape).flatMap(([name, field]) => {
    const { inner, optional, text } = plain(field);
    const list = inner instanceof z.ZodArray;
    const item = list ? (inner.element as z.ZodType) : inner;
    const path = `${prefix}${name}${list && !(item instanceof z.ZodNumber) ? "[]" : ""}`;
    return [`| \`${path}\`${optional ? "?" : ""} | ${text} |`, ...below(item, path)];
  });
}

/** The fields of an object; of a union those of each kind, which its tag names. */
function below(field: z.ZodType, path: string): string[] {
  if (field instanceof z.ZodObject) return rows(field.shape as Record<string, z.ZodType>, `${path}.`);
  if (!(field instanceof z.ZodDiscriminatedUnion)) return [];
  const { discriminator } = field.def;
  return (field.options as z.ZodObject[]).flatMap((option) => {
    const { [discriminator]: tag, ...shape } = option.shape as Record<string, z.ZodType>;
    const { inner, optional } = plain(tag);
    const { value } = inner as z.ZodLiteral;
    return [
      `| \`${path}.${discriminator}\`${optional ? "?" : ""} | \`"${value}"\`${optional ? ", also where it is left out" : ""}: |`,
      ...rows(shape, `${path}.`),
    ];
  });
}

test("the page of the config is that of the schema", async () => {
  const page = `${HEAD}${rows(trainConfigFields.shape as Record<string, z.ZodType>).join("\n")}\n`;
  if (process.env.DITLAB_UPDATE) await writeFile(PAGE, page);
  assert.is(await readFile(PAGE, "utf8"), page);
  assert.not.match(page, /\|\s+\|$/m);
});

test.run();
