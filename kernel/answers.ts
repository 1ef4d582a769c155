/** Requests that are answered at once, from what the kernel knows. */
import type { CommManager } from "./comms/comms.ts";
import type { Engine } from "./engine/engine.ts";
import type { History } from "./history/history.ts";
import { type HistoryRequest, searchHistory } from "./history/search.ts";
import type { Json } from "./protocol/message.ts";
import { toCodePoints, toUtf16 } from "./text.ts";

interface Knowledge {
  readonly comms: Pick<CommManager, "info">;
  readonly engine: Engine;
  readonly history: History;
  readonly kernelInfo: Json;
}

/** From the content of each kind of request to the content of its reply. */
export function answers({
  comms,
  engine,
  history,
  kernelInfo,
}: Knowledge): Record<string, (content: Json) => Json> {
  return {
    kernel_info_request: () => kernelInfo,
    complete_request(content) {
      const { code, cursor_pos } = content as { code: string; cursor_pos: number };
      const { matches, start, end } = engine.complete(code, toUtf16(code, cursor_pos));
      const [from, to] = [toCodePoints(code, start), toCodePoints(code, end)];
      const types = matches.map(({ text, kind }) => ({ start: from, end: to, text, type: kind }));
      return {
        status: "ok",
        matches: matches.map(({ text }) => text),
        cursor_start: from,
        cursor_end: to,
        metadata: { _jupyter_types_experimental: types },
      };
    },
    inspect_request(content) {
      const { code, cursor_pos, detail_level = 0 } = content as Record<string, never>;
      const found = engine.inspect(code, toUtf16(code, cursor_pos), detail_level);
      const data = found && {
        "text/plain": [found.signature, found.documentation].filter((part) => part !== "").join("\n\n"),
        "text/markdown": `\`\`\`typescript\n${found.signature}\n\`\`\`\n\n${found.documentation}`,
      };
      return { status: "ok", found: found !== undefined, data: data ?? {}, metadata: {} };
    },
    is_complete_request: ({ code }) => ({ ...engine.isComplete(String(code)) }),
    history_request: (content) => ({
      status: "ok",
      history: searchHistory(history.sessions(), content as HistoryRequest),
    }),
    comm_info_request: ({ target_name }) => ({
      status: "ok",
      comms: comms.info(typeof target_name === "string" ? target_name : undefined),
    }),
  };
}
