/** A kernel of any kind, started and asked through its sockets. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Dealer, Subscriber } from "zeromq";
import { decode, encode, header, type Json, type Message } from "../../kernel/protocol/message.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "ditlab-bench-"));
const KEY = "bench";
/** How long a kernel may take to answer, in milliseconds. */
const PATIENCE = 120_000;

export interface Kind {
  /** The command that starts it with a connection file. */
  readonly command: (connection: string) => string[];
  readonly env?: NodeJS.ProcessEnv;
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1];

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A started kernel, asked through its shell; the times are from request to reply, in milliseconds. */
export async function start(name: string, { command, env }: Kind) {
  const connection: Json = { transport: "tcp", ip: "127.0.0.1", key: KEY, signature_scheme: "hmac-sha256" };
  for (const channel of ["shell", "iopub", "stdin", "control", "hb"])
    connection[`${channel}_port`] = await freePort();
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(connection));
  const started = performance.now();
  const [program, ...rest] = command(file);
  const child = spawn(program, rest, { cwd: root, env: { ...process.env, ...env }, stdio: "ignore" });
  const shell = new Dealer({ linger: 0 });
  const iopub = new Subscriber({ linger: 0, receiveHighWaterMark: 0 });
  iopub.subscribe();
  shell.connect(`tcp://127.0.0.1:${connection.shell_port}`);
  iopub.connect(`tcp://127.0.0.1:${connection.iopub_port}`);
  let lines = 0;
  void (async () => {
    for await (const frames of iopub) {
      const { header, content } = decode(frames, KEY);
      if (header.msg_type === "stream") lines += String(content.text).split("\n").length - 1;
    }
  })();

  async function ask(msg_type: string, content: Json): Promise<{ ms: number; reply: Message }> {
    const asked = performance.now();
    const parts = { identities: [], parentHeader: {}, metadata: {}, buffers: [] };
    await shell.send(encode({ ...parts, header: header(msg_type, "bench"), content }, KEY) as Buffer[]);
    const late = sleep(PATIENCE, undefined, { ref: false }).then(() => {
      throw new Error(`${name} did not answer in ${PATIENCE / 1000} s: ${JSON.stringify(content)}`);
    });
    const reply = decode(await Promise.race([shell.receive(), late]), KEY);
    return { ms: performance.now() - asked, reply };
  }
  const run = async (code: string): Promise<number> => {
    const options = { silent: false, store_history: true, user_expressions: {}, allow_stdin: false };
    const { ms, reply } = await ask("execute_request", { code, ...options, stop_on_error: true });
    if (reply.content.status !== "ok")
      throw new Error(`${name}: ${code} failed: ${JSON.stringify(reply.content)}`);
    return ms;
  };
  return {
    run,
    ask,
    sinceStart: () => performance.now() - started,
    lines: () => lines,
    /** Resident memory, in megabytes. */
    memory: () =>
      Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1024,
    stop() {
      child.kill("SIGKILL");
      shell.close();
      iopub.close();
    },
  };
}

export type Running = Awaited<ReturnType<typeof start>>;
