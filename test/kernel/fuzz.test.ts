/**
 * Anything at all on the kernel's sockets, for a bounded time: DITLAB_FUZZ_SECONDS sets how long, DITLAB_FUZZ_SEED which;
 * both are printed. Whatever comes, the kernel goes on, and its variables with it.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Dealer } from "zeromq";
import type { Client, Executed } from "../../kernel/client/client.ts";
import { startKernel } from "../../kernel/client/process.ts";
import { address, type Channel, type Connection } from "../../kernel/protocol/connection.ts";
import { encode, type Json } from "../../kernel/protocol/message.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { build, kernelMain } from "./helpers.ts";

const seconds = Number(process.env.DITLAB_FUZZ_SECONDS ?? 8);
const seed = Number(process.env.DITLAB_FUZZ_SEED ?? Date.now() % 2 ** 31);

const generator = xoroshiro128plus(seed);
const below = (n: number): number => (generator.next() >>> 0) % n;
const choice = <T>(of: readonly T[]): T => of[below(of.length)];
const chance = (one: number): boolean => below(one) === 0;

const TEXTS = [
  "",
  "1 + 1",
  "x",
  "\ud83d",
  "\u0000",
  "a".repeat(3000),
  "__proto__",
  "🙂",
  "let k = [",
  "%",
  "!",
  "%%",
  "?",
];
const TYPES = [
  ...[
    "execute",
    "complete",
    "inspect",
    "is_complete",
    "history",
    "kernel_info",
    "comm_info",
    "interrupt",
  ].map((name) => `${name}_request`),
  ...[
    "comm_open",
    "comm_msg",
    "comm_close",
    "input_reply",
    "debug_request",
    "nonsense_request",
    "constructor",
    "",
  ],
];
const FIELDS = [
  ...["code", "silent", "store_history", "user_expressions", "allow_stdin", "stop_on_error", "cursor_pos"],
  ...[
    "detail_level",
    "n",
    "pattern",
    "hist_access_type",
    "session",
    "start",
    "stop",
    "unique",
    "output",
    "raw",
  ],
  ...[
    "comm_id",
    "target_name",
    "data",
    "value",
    "command",
    "arguments",
    "seq",
    "type",
    "__proto__",
    "state",
    "method",
  ],
];

function value(depth: number): unknown {
  const kind = below(depth > 3 ? 5 : 8);
  if (kind === 0) return null;
  if (kind === 1) return chance(2);
  if (kind === 2) return choice([0, -1, 1, 0.5, 1e308, 2 ** 53, -(2 ** 31)]);
  if (kind === 3) return choice(TEXTS);
  if (kind === 4) return choice(FIELDS);
  if (kind === 5) return Array.from({ length: below(4) }, () => value(depth + 1));
  return object(depth + 1);
}
const object = (depth: number): Json =>
  Object.fromEntries(Array.from({ length: below(6) }, () => [choice(FIELDS), value(depth)]));

/** A request that is well formed in its frames, and in little else. */
function request(): { channel: Channel; frames: Uint8Array[] } {
  const channel = choice(["shell", "shell", "shell", "control", "stdin"] as const);
  const content = object(0);
  // Cells that would end the process, or wait, are not what is tried here.
  if (typeof content.code === "string") content.code = choice(TEXTS);
  const head: Json = {
    msg_id: randomUUID(),
    session: choice(["s", "t"]),
    username: "fuzz",
    date: choice([new Date().toISOString(), "yesterday", ""]),
    msg_type: choice(TYPES),
    version: choice(["5.3", "4.0", ""]),
  };
  if (chance(4)) head[choice(["session", "date", "username", "version"])] = value(2);
  const message = {
    identities: [],
    header: head,
    parentHeader: chance(2) ? {} : object(2),
    metadata: chance(2) ? {} : object(2),
    content,
    buffers: Array.from({ length: below(3) }, () => Buffer.alloc(below(100), below(256))),
  };
  return { channel, frames: encode(message as never, key) };
}

/** The same with frames left out, doubled, swapped or scrambled, or with a signature that does not fit. */
function broken(frames: Uint8Array[]): Uint8Array[] {
  const parts = frames.map((frame) => Buffer.from(frame));
  const at = below(parts.length);
  const how = below(5);
  if (how === 0) parts.splice(at, 1);
  else if (how === 1) parts.splice(at, 0, parts[at]);
  else if (how === 2) parts[at] = Buffer.from(Array.from({ length: below(300) }, () => below(256)));
  else if (how === 3) parts.reverse();
  else if (parts[at].length > 0) parts[at][below(parts[at].length)] ^= 1 << below(8);
  return parts;
}

let key = "";

/** A cell's end; it runs again where a cell before it failed, or a request to interrupt came. */
async function settled(client: Client, code: string): Promise<Executed> {
  for (let tries = 1; ; tries++) {
    const executed = await client.execute(code);
    const { status, ename } = executed.reply.content;
    if ((status !== "aborted" && ename !== "KeyboardInterrupt") || tries === 50) return executed;
  }
}

/** Bytes on a port of the kernel's that are no ZeroMQ, or only its beginning. */
async function raw(connection: Connection, channel: Channel): Promise<void> {
  const { port } = /:(?<port>\d+)$/.exec(address(connection, channel))!.groups!;
  await new Promise<void>((resolve) => {
    const socket = createConnection(Number(port), "127.0.0.1");
    const greeting = Buffer.concat([Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3]), Buffer.alloc(53)]);
    const bytes = Buffer.from(Array.from({ length: below(200) }, () => below(256)));
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
    socket.write(chance(2) ? bytes : Buffer.concat([greeting.subarray(0, below(65)), bytes]));
    setTimeout(() => socket.destroy(), 5);
  });
}

test(`${seconds} s of anything on every socket (seed ${seed}) leave the kernel as it was`, async () => {
  console.log(`fuzzing for ${seconds} s with seed ${seed}`);
  build();
  // A kernel that keeps its connection's file where the test can read it.
  const folder = await temporaryFolder();
  const kept = join(folder, "connection.json");
  const launcher = join(folder, "launcher.mjs");
  writeFileSync(
    launcher,
    `import { copyFileSync } from "node:fs"; copyFileSync(process.argv[2], ${JSON.stringify(kept)});
await import(${JSON.stringify(pathToFileURL(kernelMain))});`,
  );
  const kernel = await startKernel({ argv: [process.execPath, launcher, "{connection_file}"], cwd: folder });
  const sockets = new Map<Channel, Dealer>();
  try {
    const connection = JSON.parse(readFileSync(kept, "utf8")) as Connection;
    key = connection.key;
    for (const channel of ["shell", "control", "stdin", "hb"] as const) {
      const socket = new Dealer({ linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 1000 });
      socket.connect(address(connection, channel));
      sockets.set(channel, socket);
      void (async () => {
        for await (const _ of socket);
      })().catch(() => {});
    }
    await kernel.client.execute("const kept = 41; let sum = 0;");
    const end = Date.now() + seconds * 1000;
    for (let round = 1; Date.now() < end; round++) {
      for (let i = 0; i < 30; i++) {
        const { channel, frames } = request();
        if (chance(20)) await raw(connection, choice(["shell", "control", "stdin", "hb", "iopub"]));
        else if (chance(15))
          await sockets.get("hb")!.send(Buffer.from(Array.from({ length: below(50) }, () => below(256))));
        else await sockets.get(channel)!.send((chance(3) ? broken(frames) : frames) as Buffer[]);
      }
      const { reply, outputs } = await settled(kernel.client, `kept + (sum = ${round})`);
      const shown = outputs.find(({ header }) => header.msg_type === "execute_result");
      assert.is(reply.content.status, "ok", `round ${round}, seed ${seed}: ${JSON.stringify(reply.content)}`);
      assert.equal(
        (shown?.content.data as Json)?.["text/plain"],
        String(41 + round),
        `round ${round}, seed ${seed}`,
      );
      assert.ok(await kernel.client.heartbeat(5000), `round ${round}, seed ${seed}: no heartbeat`);
    }
  } finally {
    for (const socket of sockets.values()) socket.close();
    await kernel.stop();
  }
});

test.run();
