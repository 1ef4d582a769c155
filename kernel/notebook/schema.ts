/** The rules of nbformat 4.5 that a document must obey, as a JSON schema. */
import { Ajv } from "ajv";

const text = { anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }] };
const count = { anyOf: [{ type: "integer", minimum: 0 }, { type: "null" }] };
const mimeBundle = {
  type: "object",
  additionalProperties: text,
  // JSON types hold JSON of any kind.
  patternProperties: { "^application/(.*\\+)?json$": {} },
};
const tags = { type: "array", uniqueItems: true, items: { type: "string", pattern: "^[^,]+$" } };
const cellMetadata = (properties: Record<string, unknown>) => ({
  type: "object",
  properties: { name: { type: "string", minLength: 1 }, tags, jupyter: { type: "object" }, ...properties },
});
const codeMetadata = cellMetadata({
  collapsed: { type: "boolean" },
  scrolled: { enum: [true, false, "auto"] },
  execution: { type: "object", additionalProperties: { type: "string" } },
});
const output = (type: string, properties: Record<string, unknown>) => ({
  type: "object",
  additionalProperties: false,
  required: ["output_type", ...Object.keys(properties)],
  properties: { output_type: { const: type }, ...properties },
});
const outputs = {
  type: "array",
  items: {
    type: "object",
    required: ["output_type"],
    discriminator: { propertyName: "output_type" },
    oneOf: [
      output("stream", { name: { type: "string" }, text }),
      output("display_data", { data: mimeBundle, metadata: { type: "object" } }),
      output("execute_result", { execution_count: count, data: mimeBundle, metadata: { type: "object" } }),
      output("error", {
        ename: { type: "string" },
        evalue: { type: "string" },
        traceback: { type: "array", items: { type: "string" } },
      }),
    ],
  },
};
const common = {
  id: { type: "string", pattern: "^[a-zA-Z0-9-_]+$", minLength: 1, maxLength: 64 },
  source: text,
};
const textCell = (type: string, metadata: Record<string, unknown> = {}) => ({
  type: "object",
  additionalProperties: false,
  required: ["cell_type", "id", "metadata", "source"],
  properties: {
    cell_type: { const: type },
    ...common,
    metadata: cellMetadata(metadata),
    attachments: { type: "object", additionalProperties: mimeBundle },
  },
});

const SCHEMA = {
  type: "object",
  additionalProperties: false,
  required: ["metadata", "nbformat_minor", "nbformat", "cells"],
  properties: {
    nbformat: { const: 4 },
    nbformat_minor: { type: "integer", minimum: 5 },
    metadata: {
      type: "object",
      properties: {
        kernelspec: {
          type: "object",
          required: ["name", "display_name"],
          properties: { name: { type: "string" }, display_name: { type: "string" } },
        },
        language_info: {
          type: "object",
          required: ["name"],
          properties: {
            name: { type: "string" },
            codemirror_mode: { type: ["string", "object"] },
            file_extension: { type: "string" },
            mimetype: { type: "string" },
            pygments_lexer: { type: "string" },
          },
        },
        title: { type: "string" },
        authors: { type: "array" },
      },
    },
    cells: {
      type: "array",
      items: {
        type: "object",
        required: ["cell_type"],
        discriminator: { propertyName: "cell_type" },
        oneOf: [
          {
            type: "object",
            additionalProperties: false,
            required: ["cell_type", "id", "metadata", "source", "outputs", "execution_count"],
            properties: {
              cell_type: { const: "code" },
              ...common,
              metadata: codeMetadata,
              outputs,
              execution_count: count,
            },
          },
          textCell("markdown"),
          textCell("raw", { format: { type: "string" } }),
        ],
      },
    },
  },
};

const validate = new Ajv({ discriminator: true, allowUnionTypes: true }).compile(SCHEMA);

const isOutputSchema = new Ajv({ discriminator: true, allowUnionTypes: true }).compile(outputs.items);

/** Whether a value is an output of a cell, as a document has them. */
export const isOutput = (value: unknown): boolean => isOutputSchema(value);

/** Throws, naming the place, unless `value` is a notebook of nbformat 4.5. */
export function validateNotebook(value: unknown): void {
  if (!validate(value)) {
    const { instancePath, message, params } = validate.errors![0];
    const detail = Object.values(params ?? {}).find((param) => typeof param === "string");
    const named = detail && !message?.includes(detail) ? ` (${detail})` : "";
    throw new Error(`not a notebook of nbformat 4.5: ${instancePath || "the document"} ${message}${named}`);
  }
  const ids = (value as { cells: { id: string }[] }).cells.map(({ id }) => id);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) throw new Error(`not a notebook of nbformat 4.5: two cells have the id ${twice}`);
}
