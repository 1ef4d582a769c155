/** tslab's own functions (`import * as tslab from "tslab"`), for notebooks that were written with its kernel. */
import { createRequire } from "node:module";
import { type MimeBundle, sink } from "../display/sink.ts";

interface DisplayContent {
  readonly data: MimeBundle;
  readonly metadata?: Record<string, unknown>;
  readonly transient?: { readonly display_id?: string };
}

/** tslab's module, which shows what it is told to through this kernel. */
export function tslabModule(): unknown {
  const require = createRequire(import.meta.url);
  const jupyter = require("tslab/dist/jupyter") as {
    lastWriteDisplayData(content: DisplayContent, update?: boolean): void;
  };
  jupyter.lastWriteDisplayData = ({ data, metadata, transient }, update) =>
    sink().show(data, { metadata, id: transient?.display_id, update });
  return require("tslab");
}
