/** The connection to Redis, and in one sentence what is wrong with it. Its packages are loaded when a queue is asked for. */
import { isIP } from "node:net";
import type { Redis, RedisOptions } from "ioredis";
import { installCommand } from "../../package.ts";

/** What keys begin with, which is what an ACL user must be allowed to touch. */
export const PREFIX = "ditlab";
export const QUEUE = "jobs";
const CONNECT_MS = 10_000;
const MOST_WAIT_MS = 2000;

interface QueuePackages {
  bullmq: typeof import("bullmq");
  Client: typeof Redis;
}

/** The packages that speak to Redis. */
export async function queuePackages(): Promise<QueuePackages> {
  try {
    const [bullmq, { Redis: Client }] = await Promise.all([import("bullmq"), import("ioredis")]);
    return { bullmq, Client };
  } catch (error) {
    throw new Error(
      `a queue needs the packages bullmq and ioredis, which could not be loaded (${(error as Error).message.split("\n")[0]}); install them with: ${installCommand(["bullmq", "ioredis"])}`,
    );
  }
}

const EXPECTED = "expected redis://[user:password@]host[:port][/database], or rediss:// for TLS";

function parsed(url: string): URL {
  // What is wrong may be the password, which is not for a log.
  if (!URL.canParse(url)) throw new Error(`--queue is no address of a Redis server; ${EXPECTED}`);
  const address = new URL(url);
  const { protocol, hostname, pathname } = address;
  if (protocol !== "redis:" && protocol !== "rediss:")
    throw new Error(`--queue begins with ${protocol}//; ${EXPECTED}`);
  if (hostname === "" || !/^(\/\d*)?$/.test(pathname))
    throw new Error(
      `--queue has the host '${hostname}' and the database '${pathname.slice(1)}'; ${EXPECTED}`,
    );
  return address;
}

/** The server as errors and notes name it, without the password. */
export const serverName = (url: string): string => `Redis at ${parsed(url).host}`;

/** What a connection that waits for a server that is away is made of. */
export function redisOptions(url: string): RedisOptions {
  const { protocol, hostname, port, username, password, pathname } = parsed(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  return {
    host,
    port: Number(port || 6379),
    ...(username !== "" && { username: decodeURIComponent(username) }),
    ...(password !== "" && { password: decodeURIComponent(password) }),
    db: Number(pathname.slice(1)),
    // Certificates name hosts; an address has no name to ask for.
    ...(protocol === "rediss:" && { tls: isIP(host) ? {} : { servername: host } }),
    connectTimeout: CONNECT_MS,
    // Commands wait until the server is back.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(100 * times, MOST_WAIT_MS),
  };
}

/** The server's or the network's words, and what they mean. */
const MEANINGS: readonly (readonly [RegExp, string])[] = [
  [/WRONGPASS|invalid password/i, "does not take this user and password"],
  [
    /NOAUTH|called without any password/i,
    "asks for a password that --queue does not have, or has one too many",
  ],
  [
    /NOPERM/,
    `does not let this user do what a queue does; it needs the keys ~${PREFIX}:* and the commands of docs/howto/queue.md`,
  ],
  [/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/i, "cannot be reached"],
  [/ETIMEDOUT|timed? ?out/i, "does not answer, as one that speaks no TLS does to rediss://"],
  [
    /certificate|self.signed|altnames|CERT_/i,
    "shows a certificate that is not trusted here; NODE_EXTRA_CA_CERTS names the file of its authority",
  ],
  [
    /ECONNRESET|socket hang up|SSL|EPROTO|Connection is closed|Protocol error|disconnected before/i,
    "ends the connection, as one that speaks TLS does to redis://",
  ],
  [/DB index|out of range/i, "has no database of this number"],
];

/** A connection's error as one sentence. */
function connectionError(url: string, { message }: Error): Error {
  const meaning = MEANINGS.find(([words]) => words.test(message))?.[1] ?? "does not work as a queue";
  return new Error(`${serverName(url)} ${meaning} (${message})`);
}

/** Tries the server once: it is there, takes the password, and lets this user do what a queue does. */
export async function checkServer(url: string): Promise<void> {
  const options = redisOptions(url);
  const { Client } = await queuePackages();
  const redis = new Client({
    ...options,
    lazyConnect: true,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
  });
  const seen: Error[] = [];
  redis.on("error", (error: Error) => seen.push(error));
  try {
    await redis.connect();
    // A connection goes on in database 0 where there is none of the number.
    await redis.select(options.db ?? 0);
    await redis.exists(`${PREFIX}:${QUEUE}:meta`);
    await redis.info("server");
  } catch (error) {
    // What ended the connection says more than that it has ended.
    throw connectionError(url, seen[0] ?? (error as Error));
  } finally {
    redis.disconnect();
  }
}

/** Opens a connection that outlives the server, with a note when it goes and when it is back. */
export async function openConnection(url: string, note: (message: string) => void): Promise<Redis> {
  const { Client } = await queuePackages();
  const redis = new Client(redisOptions(url));
  noteOutages(redis, url, note);
  return redis;
}

/** One note when the server goes, and one when it is back. */
function noteOutages(redis: Redis, url: string, note: (message: string) => void): void {
  let isAway = false;
  redis.on("error", (error: Error) => {
    if (!isAway) note(`${serverName(url)} does not answer (${error.message}); waiting for it`);
    isAway = true;
  });
  redis.on("ready", () => {
    if (isAway) note(`${serverName(url)} is back`);
    isAway = false;
  });
}
