/** What is wrong with a Redis, or with a worker beside the others, is one sentence; users with rights and TLS work. */
import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Job, runOnQueue } from "../../lib/distributed/queue/index.ts";
import { ditlab } from "../cli/helpers.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { freePort, redisTest, startRedis } from "./redis.ts";

const job: Job = { kind: "none", name: "a job", data: {}, size: 1 };

/** Asks for nothing, which still needs a server that works. */
const ask = (url: string): Promise<unknown> => runOnQueue([], { url, reporter: { note() {} } });

test("an address that is none says what is expected, and never the password", async () => {
  for (const [url, message] of [
    ["localhost", /^--queue is no address of a Redis server; expected redis:/],
    ["http://host/", /^--queue begins with http:\/\/; expected redis:/],
    ["redis://me:secret@host/jobs", /^--queue has the host 'host' and the database 'jobs'; expected/],
  ] as const) {
    await rejects(ask(url), message);
    await ask(url).catch(({ message }: Error) => assert.not.match(message, /secret/));
  }
});

test("a server that is not there is named", async () => {
  const port = await freePort();
  await rejects(
    ask(`redis://127.0.0.1:${port}`),
    new RegExp(`^Redis at 127.0.0.1:${port} cannot be reached \\(`),
  );
});

redisTest("a wrong password, none, and one too many", async () => {
  const redis = await startRedis(["--requirepass", "right"]);
  await rejects(ask(redis.url), /asks for a password that --queue does not have/);
  await rejects(
    ask(redis.url.replace("//", "//:wrong@")),
    /does not take this user and password \(WRONGPASS/,
  );
  assert.equal(await ask(redis.url.replace("//", "//:right@")), []);
  await rejects(ask(`${redis.url.replace("//", "//:right@")}/99`), /has no database of this number/);
  await redis.kill();
});

/** The rights that docs/howto/queue.md gives. */
const RIGHTS = "resetchannels ~ditlab:* +@all -@dangerous +info".split(" ");

redisTest(
  "a user with rights to the queue's keys alone does jobs, and one without them is told so",
  async () => {
    const redis = await startRedis();
    const folder = await temporaryFolder();
    const acl = join(folder, "users.acl");
    await writeFile(
      acl,
      `user default off\nuser queue on >p%w ${RIGHTS.join(" ")}\nuser other on >pw ~other:* +@all\n`,
    );
    await redis.kill();
    const guarded = await startRedis(["--aclfile", acl]);
    await rejects(
      ask(guarded.url.replace("//", "//other:pw@")),
      /does not let this user do what a queue does/,
    );
    const url = guarded.url.replace("//", "//queue:p%25w@");
    const stop = new AbortController();
    const result = runOnQueue([job], { url, reporter: { note() {} }, signal: stop.signal });
    // What a worker says of a job that it does not know comes from the queue.
    const { code, stderr } = await ditlab(["worker", "--queue", url]);
    assert.is(code, 1);
    assert.match(
      stderr,
      /ditlab: a job is a job of the kind 'none'; this worker does run, samples, prepare$/m,
    );
    stop.abort();
    assert.is(await result, undefined);
    await guarded.kill();
  },
);

/** A certificate for 127.0.0.1, of its own authority. */
async function certificate(): Promise<{ cert: string; key: string }> {
  const folder = await temporaryFolder();
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out", cert];
  execFileSync("openssl", [...args, ...subject], { stdio: "ignore" });
  return { cert, key };
}

redisTest("TLS works with a trusted certificate, and is not silently left out", async () => {
  const { cert, key } = await certificate();
  const port = String(await freePort());
  const tls = [
    "--tls-port",
    port,
    "--tls-cert-file",
    cert,
    "--tls-key-file",
    key,
    "--tls-auth-clients",
    "no",
  ];
  const redis = await startRedis(tls);
  const url = `rediss://localhost:${port}`;
  await rejects(ask(url), /shows a certificate that is not trusted here; NODE_EXTRA_CA_CERTS names/);
  await rejects(ask(redis.url.replace("redis:", "rediss:")), /does not answer, as one that speaks no TLS/);
  await rejects(ask(`redis://127.0.0.1:${port}`), /ends the connection, as one that speaks TLS/);
  const { code, stderr } = await ditlab(["worker", "--queue", url, "--until-empty"], {
    NODE_EXTRA_CA_CERTS: cert,
  });
  assert.is(code, 0, stderr);
  assert.match(stderr, new RegExp(`Redis at localhost:${port}: waiting for jobs`));
  await redis.kill();
});

redisTest("jobs of another version of ditlab are given back, and both versions are named", async () => {
  const redis = await startRedis();
  const { Queue } = await import("bullmq");
  const { Redis } = await import("ioredis");
  const connection = new Redis(redis.port, { maxRetriesPerRequest: null });
  const queue = new Queue("jobs", { connection, prefix: "ditlab" });
  await queue.add("run", { version: "0.0.1", name: "an old job", data: {} }, { jobId: "run-old" });
  const { code, stderr } = await ditlab(["worker", "--queue", redis.url]);
  assert.is(code, 1);
  assert.match(
    stderr,
    /an old job was put on the queue by ditlab 0\.0\.1, but this worker is \d+\.\d+\.\d+; expected one version/,
  );
  assert.is(await queue.getWaitingCount(), 1, "it waits for a worker of its version");
  await queue.close();
  connection.disconnect();
  await redis.kill();
});

test.run();
