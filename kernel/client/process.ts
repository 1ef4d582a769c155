/** Starts a kernel's process and connects to it. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { rmSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ensureBuilt, KERNEL_ENVIRONMENT } from "../install/build.ts";
import { CHANNELS, type Connection } from "../protocol/connection.ts";
import type { Json } from "../protocol/message.ts";
import { type Client, connect } from "./client.ts";

export interface KernelOptions {
  /** The command; `{connection_file}` stands for the file. This package's kernel unless given. */
  readonly argv?: readonly string[];
  /** The folder that cells see. */
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** How long it may take to start, in milliseconds. */
  readonly startTimeout?: number;
}

export interface KernelProcess {
  readonly client: Client;
  readonly pid: number;
  readonly info: Json;
  /** Ends the kernel: asks it first, then kills it. */
  stop(): Promise<void>;
}

/** Ports that are free now, all open at once so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      return new Promise<Server>((resolve, reject) => {
        const server = createServer();
        server.once("error", reject);
        server.listen(0, "127.0.0.1", () => resolve(server));
      });
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Asks until the kernel answers and what it publishes arrives, which a subscription takes a moment to do. */
async function waitUntilReady(client: Client): Promise<Json> {
  let heard = false;
  const stop = client.onPublished(() => {
    heard = true;
  });
  const info = await client.request("shell", "kernel_info_request");
  while (!heard) {
    await sleep(20);
    if (!heard) await client.request("shell", "kernel_info_request");
  }
  stop();
  await client.connected;
  return info.content;
}

const isRunning = (child: ChildProcess): boolean =>
  child.pid !== undefined && child.exitCode === null && child.signalCode === null;

/** Kills a kernel's group: itself, and the processes that its cells started. */
function kill(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? child.pid : -child.pid, "SIGKILL");
  } catch {
    // None is left.
  }
}

/** Starts a kernel and waits until it answers. Rejects, with what it wrote to stderr, if it ends before. */
export async function startKernel(options: KernelOptions = {}): Promise<KernelProcess> {
  const { cwd } = options;
  if (cwd !== undefined && !statSync(cwd, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`the folder for the kernel, ${cwd}, is not there`);
  // Between finding a free port and listening on it somebody else may take it.
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options);
    } catch (error) {
      if (attempt === 3 || !/address( is)? already in use|EADDRINUSE/i.test((error as Error).message))
        throw error;
    }
  }
}

async function startOnce(options: KernelOptions): Promise<KernelProcess> {
  const {
    argv = [process.execPath, ensureBuilt(), "{connection_file}"],
    cwd,
    env,
    startTimeout = 60_000,
  } = options;
  const folder = await mkdtemp(join(tmpdir(), "ditlab-kernel-"));
  const file = join(folder, "connection.json");
  const ports = await freePorts(CHANNELS.length);
  const connection = {
    ...{
      transport: "tcp",
      ip: "127.0.0.1",
      signature_scheme: "hmac-sha256",
      key: randomBytes(32).toString("hex"),
    },
    ...Object.fromEntries(CHANNELS.map((channel, i) => [`${channel}_port`, ports[i]])),
  } as Connection;
  await writeFile(file, JSON.stringify(connection), { mode: 0o600 });

  const [command, ...rest] = argv.map((part) => part.replace("{connection_file}", file));
  // A group of its own: Ctrl-C in a terminal is for this process, which then interrupts the kernel.
  const child = spawn(command, rest, {
    cwd,
    // What a program runs is nothing that its user typed.
    env: { ...KERNEL_ENVIRONMENT, DITLAB_HISTORY: "off", ...(env ?? process.env) },
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const client = connect(connection, randomUUID());
  // However this process ends, its kernel must not go on computing.
  const onExit = (): void => {
    if (isRunning(child)) kill(child);
    rmSync(folder, { recursive: true, force: true });
  };
  let log = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    log = (log + chunk).slice(-8000);
  });
  const said = new Promise((resolve) => child.stderr!.once("close", resolve));
  const ended = (how: string) => {
    const text = log.trim();
    client.fail(new Error(`the kernel ended (${how})${text ? `; it said: ${text}` : ""}`));
  };
  child.once("error", (error) => ended(`${command}: ${error.message}`));
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.once("exit", async (code, signal) => {
    kill(child);
    // Its last words may still be on their way; a process that it left behind may hold the pipe open.
    await Promise.race([said, sleep(200, undefined, { ref: false })]);
    ended(signal ? `signal ${signal}` : `exit code ${code}`);
  });
  process.once("exit", onExit);

  const stop = async (): Promise<void> => {
    if (isRunning(child)) {
      client.request("control", "shutdown_request", { restart: false }).catch(() => {});
      await Promise.race([exited, sleep(2000, undefined, { ref: false })]);
      if (isRunning(child)) kill(child);
      await Promise.race([exited, sleep(2000, undefined, { ref: false })]);
    }
    process.removeListener("exit", onExit);
    client.close();
    child.stderr!.destroy();
    await rm(folder, { recursive: true, force: true });
  };

  try {
    const late = sleep(startTimeout, undefined, { ref: false }).then(() => {
      throw new Error(`the kernel did not answer within ${startTimeout / 1000} s`);
    });
    const info = (await Promise.race([waitUntilReady(client), late])) as Json;
    return { client, pid: child.pid!, info, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
