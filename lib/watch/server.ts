/** The page of `ditlab watch`, served to this machine alone. */
import { createReadStream, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { gzipSync } from "node:zlib";
import { isFolder } from "../io/folders.ts";
import { WATCH_PAGE, WATCH_SCRIPT } from "./page.ts";
import { findQueues } from "./queues.ts";
import { runScanner, type WatchedRun } from "./scan.ts";

export interface WatchServer {
  /** Of the page. */
  readonly url: string;
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
/** Only what this server has itself may run or be shown; plotly styles its plots. */
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data: blob:; style-src 'unsafe-inline'";

let plotly: Buffer | undefined;

/** plotly, compressed: 1.5 MB become 0.5. */
function plotlySource(): Buffer {
  plotly ??= gzipSync(readFileSync(createRequire(import.meta.url).resolve("plotly.js-cartesian-dist-min")));
  return plotly;
}

interface Reply {
  status?: number;
  type: string;
  body: string | Buffer;
  isCompressed?: boolean;
}

const refused = (status: number, body: string): Reply => ({ status, type: "text/plain", body: `${body}\n` });

function send(response: ServerResponse, { status = 200, type, body, isCompressed }: Reply): void {
  response.writeHead(status, {
    "content-type": `${type}; charset=utf-8`,
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    ...(isCompressed && { "content-encoding": "gzip" }),
  });
  response.end(body);
}

/**
 * Serves one page on the loopback device that shows the runs below a folder as they train.
 * @param port 0 takes any that is free
 * @throws naming the folder where there is none, and the port where it is taken
 */
export async function watchRuns(folder: string, { port = 0 } = {}): Promise<WatchServer> {
  if (!(await isFolder(folder))) throw new Error(`there is no folder ${folder} to watch`);
  const scan = runScanner(folder);
  let scanning: Promise<WatchedRun[]> | undefined;
  /** Several pages ask for one look. */
  const runs = (): Promise<WatchedRun[]> => {
    scanning ??= scan().finally(() => {
      scanning = undefined;
    });
    return scanning;
  };

  /** A run's newest grid; nothing else is given out. */
  async function samples(id: string, response: ServerResponse): Promise<Reply | undefined> {
    const found = (await runs()).find((run) => run.id === id)?.samples;
    if (!found) return refused(404, "no such samples");
    response.writeHead(200, { "content-type": "image/png", "cache-control": "no-store" });
    // It may vanish on the way, or the page may.
    await pipeline(createReadStream(join(folder, id, found.file)), response).catch(() => response.destroy());
    return undefined;
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<Reply | undefined> {
    const { pathname, searchParams } = new URL(request.url ?? "/", `http://${HOST}`);
    // Another site's name that leads here would be another site's page reading this one.
    const host = request.headers.host?.replace(/:\d+$/, "");
    if (host !== HOST && host !== "localhost") return refused(403, "this page is for this machine alone");
    if (request.method !== "GET") return refused(405, "GET alone is answered");
    if (pathname === "/") return { type: "text/html", body: WATCH_PAGE };
    if (pathname === "/watch.js") return { type: "text/javascript", body: WATCH_SCRIPT };
    if (pathname === "/plotly.js")
      return { type: "text/javascript", body: plotlySource(), isCompressed: true };
    if (pathname === "/runs.json") return { type: "application/json", body: JSON.stringify(await runs()) };
    if (pathname === "/queues.json")
      return { type: "application/json", body: JSON.stringify(await findQueues(folder)) };
    if (pathname === "/samples") return samples(searchParams.get("run") ?? "", response);
    return refused(404, "there is nothing here");
  }

  const server = createServer((request, response) => {
    answer(request, response)
      .catch((error: Error) => refused(500, error.message))
      .then((reply) => reply && send(response, reply));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "EADDRINUSE"
          ? new Error(`port ${port} is taken; --port 0 takes any that is free`)
          : error,
      ),
    );
    server.listen(port, HOST, resolve);
  });
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
