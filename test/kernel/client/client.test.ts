/** The client and the runner against a kernel that is not ours: Python's, and what nbclient makes of it. */
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KernelProcess, startKernel } from "../../../kernel/client/process.ts";
import {
  type CodeCell,
  type Notebook,
  readNotebook,
  writeNotebook,
} from "../../../kernel/notebook/format.ts";
import { runNotebook } from "../../../kernel/notebook/run.ts";
import type { Message } from "../../../kernel/protocol/message.ts";
import { rejects, temporaryFolder } from "../../io/helpers.ts";
import { hasPython, PYTHON } from "../helpers.ts";

const argv = [PYTHON, "-m", "ipykernel_launcher", "-f", "{connection_file}"];
const whenPython = hasPython("ipykernel", "nbclient") ? test : test.skip;

async function withKernel(body: (kernel: KernelProcess) => Promise<void>): Promise<void> {
  const kernel = await startKernel({ argv });
  try {
    await body(kernel);
  } finally {
    await kernel.stop();
  }
}

const textOf = (messages: readonly Message[]) =>
  messages.filter(({ header }) => header.msg_type === "stream").map(({ content }) => content.text);

whenPython("requests are answered, on both channels (python3-ipykernel)", () =>
  withKernel(async ({ client, info }) => {
    assert.is((info.language_info as { name: string }).name, "python");
    const { content } = await client.request("shell", "complete_request", { code: "imp", cursor_pos: 3 });
    assert.ok((content.matches as string[]).includes("import"));
    assert.is((await client.request("control", "kernel_info_request")).header.msg_type, "kernel_info_reply");
    assert.ok(await client.heartbeat(2000));
  }),
);

whenPython("a cell's outputs and what it was asked come with it (python3-ipykernel)", () =>
  withKernel(async ({ client }) => {
    const seen: Message[] = [];
    const { reply, outputs } = await client.execute(
      "print('one'); import sys; print('two', file=sys.stderr)",
      {
        onOutput: (message) => seen.push(message),
        userExpressions: { sum: "1 + 1" },
      },
    );
    assert.is(reply.content.status, "ok");
    const { sum } = reply.content.user_expressions as Record<string, { data: Record<string, string> }>;
    assert.is(sum.data["text/plain"], "2");
    assert.equal(textOf(outputs).sort(), ["one\n", "two\n"]);
    assert.is(outputs.at(-1)!.content.execution_state, "idle");
    assert.equal(seen, outputs);
  }),
);

whenPython("input is asked for only where it can be answered (python3-ipykernel)", () =>
  withKernel(async ({ client }) => {
    const onInput = async (prompt: string) => `${prompt} yes`;
    const { outputs } = await client.execute("print(input('sure?'))", { onInput });
    assert.is(textOf(outputs).join(""), "sure? yes\n");
    const refused = await client.execute("input('sure?')");
    assert.is(refused.reply.content.ename, "StdinNotImplementedError");
  }),
);

whenPython(
  "a kernel that dies rejects what is pending, and takes its processes along (python3-ipykernel)",
  () =>
    withKernel(async ({ client }) => {
      const { outputs } = await client.execute(
        "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)",
      );
      const pid = Number(textOf(outputs).join(""));
      await rejects(client.execute("import os; os._exit(9)"), /the kernel ended \(exit code 9\)/);
      await rejects(client.execute("1"), /the kernel ended/);
      await rejects(client.request("control", "kernel_info_request"), /the kernel ended/);
      // Whoever inherits it takes a moment to collect it.
      for (let wait = 0; isThere(pid) && wait < 250; wait++) await sleep(20);
      assert.not.ok(isThere(pid));
    }),
);

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const CELLS = [
  "import sys\nprint('a'); print('b'); sys.stderr.write('c\\n'); print('d')\n1 + 1",
  "from IPython.display import display, clear_output, HTML, update_display\nprint('gone'); clear_output(); print('kept')",
  "print('gone'); clear_output(wait=True); print('kept')",
  "print('stays'); clear_output(wait=True)",
  "h = display('first', display_id='x'); display(HTML('<b>1</b>'))",
  "display('again', display_id='x')\nh.update('changed'); update_display(HTML('<i>2</i>'), display_id='none')",
  "",
  "print('\\u2028 é 😀', end='')\nprint(' joined')\n'text'",
  "1 / 0",
  "print('after'); None",
];

whenPython(
  "a notebook gets the outputs that nbclient gives it (python3-ipykernel, python3-nbclient)",
  async () => {
    const folder = await temporaryFolder();
    const [path, ours, theirs] = ["n", "ours", "theirs"].map((name) => join(folder, `${name}.ipynb`));
    const notebook: Notebook = {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { kernelspec: { name: "python3", display_name: "Python 3", language: "python" } },
      cells: CELLS.map((source, i) => {
        const metadata = source.startsWith("1 /") ? { tags: ["raises-exception"] } : {};
        return { cell_type: "code", id: `c${i}`, metadata, source, outputs: [], execution_count: null };
      }),
    };
    await writeNotebook(path, notebook);
    const warnings: string[] = [];
    const onWarning = (sentence: string) => warnings.push(sentence);
    const result = await runNotebook(path, { output: ours, kernel: { argv }, onWarning });
    assert.is(result.failed, undefined);
    assert.equal(warnings, []);
    const script = `
import nbformat, nbclient
nb = nbformat.read("${path}", 4)
nbclient.NotebookClient(nb, kernel_name="python3").execute()
nbformat.write(nb, "${theirs}")`;
    execFileSync(PYTHON, ["-c", script], { stdio: "pipe", cwd: folder });
    const [mine, expected] = await Promise.all([readNotebook(ours), readNotebook(theirs)]);
    for (const [i, cell] of (expected.cells as CodeCell[]).entries()) {
      const { outputs, execution_count, metadata } = mine.cells[i] as CodeCell;
      assert.equal(outputs, cell.outputs, CELLS[i]);
      assert.is(execution_count, cell.execution_count, CELLS[i]);
      assert.equal(
        Object.keys((metadata.execution ?? {}) as object).sort(),
        Object.keys((cell.metadata.execution ?? {}) as object).sort(),
        CELLS[i],
      );
    }
    assert.equal(mine.metadata, expected.metadata);
    const saved = await readFile(ours);
    execFileSync(PYTHON, ["-c", `import nbformat; nbformat.write(nbformat.read("${ours}", 4), "${ours}")`]);
    assert.is((await readFile(ours)).toString(), saved.toString(), "re-saved byte for byte");
  },
);

whenPython(
  "a cell that cannot be stopped ends the run, but not the notebook (python3-ipykernel)",
  async () => {
    const path = join(await temporaryFolder(), "n.ipynb");
    const sources = [
      "print('kept')",
      "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
      "print('never')",
    ];
    await writeNotebook(path, {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: {},
      cells: sources.map((source, i) => ({
        cell_type: "code",
        id: `c${i}`,
        metadata: {},
        source,
        outputs: [{ output_type: "stream", name: "stdout", text: "of an earlier run" }],
        execution_count: 7,
      })),
    });
    const result = await runNotebook(path, { kernel: { argv }, allowErrors: true });
    assert.is(result.failed?.index, 2);
    assert.match(result.failed!.reason, /the kernel ended \(signal SIGKILL\)/);
    const [kept, died, never] = (await readNotebook(path)).cells as CodeCell[];
    assert.is((kept.outputs[0] as { text: string }).text, "kept\n");
    assert.is((died.outputs.at(-1) as { ename: string }).ename, "KernelError");
    assert.equal([never.outputs, never.execution_count], [[], null], "no outputs of an earlier run");
  },
);

test.run();
