/** A notebook with something of everything. */
import type { Notebook } from "../../../kernel/notebook/format.ts";

export const notebook = (): Notebook => ({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: { kernelspec: { name: "ditlab", display_name: "TypeScript" }, zeta: 1, alpha: { b: [], a: {} } },
  cells: [
    {
      cell_type: "markdown",
      id: "m1",
      metadata: {},
      source: "# Title é\n\ntext\u2028more\n",
      attachments: { "a.svg": { "image/svg+xml": "<svg>\n</svg>" }, "b.png": { "image/png": "aGVsbG8=" } },
    },
    { cell_type: "raw", id: "r1", metadata: {}, source: "" },
    {
      cell_type: "code",
      id: "c1",
      metadata: { tags: ["parameters"] },
      source: "let steps: number = 10;\nconst name = 'x';\n",
      execution_count: 3,
      outputs: [
        { output_type: "stream", name: "stdout", text: "a\rb\r\nc\x0bd\n" },
        {
          output_type: "display_data",
          data: { "text/plain": "p\nq", "text/html": "<b>\n</b>" },
          metadata: {},
        },
        {
          output_type: "execute_result",
          execution_count: 3,
          metadata: {},
          data: {
            "application/json": { text: "not\nsplit", list: [1, 0.5, 1e-7, 0.00001, 1e21, -2.5e-9] },
            "application/vnd.plotly.v1+json": { data: [{ x: [0.1, null] }] },
            "image/png": "aGVsbG8=",
            "text/plain": "",
          },
        },
        { output_type: "error", ename: "E", evalue: "v", traceback: ["l1\nl2", "\u001b[31mred"] },
      ],
    },
  ],
});
