/** What a cell publishes, as the outputs that a notebook keeps. */
import type { Json, Message } from "../protocol/message.ts";
import type { CodeCell, DataOutput, Output } from "./format.ts";

/** Text as a terminal leaves it: a carriage return begins the line anew. */
export function overwritten(text: string): string {
  if (!text.includes("\r")) return text;
  const lastOf = (line: string): string => {
    const whole = line.replace(/\r+$/, "");
    return whole.slice(whole.lastIndexOf("\r") + 1);
  };
  return text.split("\n").map(lastOf).join("\n");
}

/** Collects the messages of a notebook's cells into their outputs; displays are updated wherever they were shown. */
export function outputCollector(): { begin(cell: CodeCell): (message: Message) => void } {
  const displays = new Map<string, DataOutput[]>();

  function add(cell: CodeCell, output: Output): void {
    const last = cell.outputs.at(-1);
    if (output.output_type === "stream" && last?.output_type === "stream" && last.name === output.name)
      last.text += output.text;
    else cell.outputs.push(output);
  }

  return {
    begin(cell) {
      cell.outputs = [];
      cell.execution_count = null;
      delete cell.metadata.execution;
      let clearNext = false;
      return ({ header, content }) => {
        const show = (output: Output) => {
          if (clearNext) cell.outputs = [];
          clearNext = false;
          add(cell, output);
        };
        const { data, metadata, transient } = content as { data: Json; metadata: Json; transient?: Json };
        switch (header.msg_type) {
          case "execute_input":
            cell.execution_count = content.execution_count as number;
            break;
          case "stream":
            show({
              output_type: "stream",
              name: content.name as "stdout",
              text: content.text as string,
            });
            break;
          case "display_data": {
            const output: DataOutput = { output_type: "display_data", data, metadata };
            show(output);
            if (typeof transient?.display_id === "string")
              displays.set(transient.display_id, [...(displays.get(transient.display_id) ?? []), output]);
            break;
          }
          case "update_display_data":
            for (const output of displays.get(transient?.display_id as string) ?? [])
              Object.assign(output, { data, metadata });
            break;
          case "execute_result":
            show({
              output_type: "execute_result",
              data,
              metadata,
              execution_count: content.execution_count as number,
            });
            break;
          case "error":
            show({
              output_type: "error",
              ename: content.ename as string,
              evalue: content.evalue as string,
              traceback: content.traceback as string[],
            });
            break;
          case "clear_output":
            if (content.wait) clearNext = true;
            else cell.outputs = [];
        }
      };
    },
  };
}
