/** What cells do that takes a whole kernel: questions, commands of the notebook's, child processes. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KernelProcess, startKernel } from "../../kernel/client/process.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { build } from "./helpers.ts";

interface Ran {
  readonly status: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly value: string | undefined;
  /** The traceback, without colours. */
  readonly error: string;
  /** The pager's page. */
  readonly page: string | undefined;
  /** Texts of streams in the order in which they came. */
  readonly chunks: readonly string[];
  readonly html: string | undefined;
}

let kernel: KernelProcess;
let folder: string;

test.before(async () => {
  build();
  folder = await temporaryFolder();
  kernel = await startKernel({ cwd: folder });
});
test.after(() => kernel.stop());

async function run(code: string): Promise<Ran> {
  const { reply, outputs } = await kernel.client.execute(code);
  const of = (type: string) =>
    outputs.filter(({ header }) => header.msg_type === type).map(({ content }) => content);
  const text = (name: string) =>
    of("stream")
      .filter((stream) => stream.name === name)
      .map((stream) => stream.text)
      .join("");
  const data = (type: string) => (of(type)[0]?.data ?? {}) as Record<string, string>;
  const pages = (reply.content.payload ?? []) as { data: Record<string, string> }[];
  return {
    status: String(reply.content.status),
    stdout: text("stdout"),
    stderr: text("stderr"),
    value: data("execute_result")["text/plain"],
    error: stripVTControlCharacters(((reply.content.traceback ?? []) as string[]).join("\n")),
    page: pages[0]?.data["text/plain"],
    chunks: of("stream").map((stream) => String(stream.text)),
    html: data("display_data")["text/html"],
  };
}

test("a question about a name is answered, before and behind it", async () => {
  await run("/** Adds. */\nfunction add(a: number, b: number) {\n  return a + b;\n}");
  for (const question of ["add?", "?add", " add ? "])
    assert.is((await run(question)).page, "function add(a: number, b: number): number\n\nAdds.", question);
  for (const question of ["add??", "??add"])
    assert.match(
      (await run(question)).page!,
      /^function add\(.*\n\nfunction add\([\s\S]*return a \+ b;\n\}$/,
      question,
    );
  assert.match((await run("Math.sqrt?")).page!, /square root/);
  const unknown = await run("nothingHere?");
  assert.equal(
    [unknown.status, unknown.stdout, unknown.page],
    ["ok", "Nothing is known of nothingHere.\n", undefined],
  );
  for (const code of ["add?", "?add", "add??"]) {
    const { content } = await kernel.client.request("shell", "is_complete_request", { code });
    assert.is(content.status, "complete", code);
  }
});

test.run();
