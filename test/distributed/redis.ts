/** A Redis server of one's own for tests of the queue: the real one, on a free port and in a folder of its own. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import { temporaryFolder } from "../io/helpers.ts";

const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;

/** A test that needs a Redis, skipped by name where there is none. */
export const redisTest = (name: string, run: () => Promise<void>): void => {
  if (hasRedis) test(name, run);
  else test.skip(`${name} (redis-server not found)`);
};

export interface TestRedis {
  readonly port: number;
  /** Without a password. */
  readonly url: string;
  /** Kills the server at once, as a power cut does. */
  kill(): Promise<void>;
  /** Starts it again where it was. */
  start(): Promise<void>;
}

const servers = new Set<ChildProcess>();
const killAll = (): void => {
  for (const server of servers) server.kill("SIGKILL");
};
process.on("exit", killAll);
test.after(() => {
  killAll();
  // After a failure there may be somebody left who waits for a server.
  setTimeout(() => process.exit(), 5000).unref();
});

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Starts a server that writes what it is told to disk before it answers; `more` are further settings. */
export async function startRedis(more: readonly string[] = []): Promise<TestRedis> {
  const [port, folder] = [await freePort(), await temporaryFolder()];
  const settings = [
    ...["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""],
    ...["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"],
  ];
  let server: ChildProcess;
  const start = async (): Promise<void> => {
    server = spawn("redis-server", [...settings, ...more], { stdio: ["ignore", "pipe", "inherit"] });
    servers.add(server);
    let said = "";
    for await (const chunk of server.stdout!) {
      said += chunk;
      if (said.includes("Ready to accept connections")) {
        server.stdout!.resume();
        return;
      }
    }
    throw new Error(`redis-server did not start: ${said}`);
  };
  await start();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    start,
    async kill() {
      const ended = once(server, "exit");
      server.kill("SIGKILL");
      await ended;
      servers.delete(server);
    },
  };
}

/** Waits until something is so. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 1200; i++) {
    if (await isSo()) return;
    await sleep(50);
  }
  throw new Error(`${what} did not come within a minute`);
}
