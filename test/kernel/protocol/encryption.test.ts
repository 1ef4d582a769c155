/** Kernels whose connection is encrypted by CurveZMQ. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { capability, curveKeyPair } from "zeromq";
import { connect } from "../../../kernel/client/client.ts";
import { CHANNELS, type Connection, readConnection } from "../../../kernel/protocol/connection.ts";
import { rejects, temporaryFolder } from "../../io/helpers.ts";
import { build, kernelMain } from "../helpers.ts";

const curve = capability.curve ? test : test.skip;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function encrypted(): Promise<Connection> {
  const { publicKey, secretKey } = curveKeyPair();
  const ports = await Promise.all(CHANNELS.map(async (channel) => [`${channel}_port`, await freePort()]));
  const keys = { curve_publickey: publicKey, curve_secretkey: secretKey, key: randomUUID() };
  const base = { transport: "tcp", ip: "127.0.0.1", signature_scheme: "hmac-sha256" };
  return { ...base, ...keys, ...Object.fromEntries(ports) } as Connection;
}

curve("a kernel talks to those who know its keys, and to nobody else (needs CurveZMQ)", async () => {
  build();
  const connection = await encrypted();
  const folder = await temporaryFolder();
  const file = join(folder, "connection.json");
  writeFileSync(file, JSON.stringify(connection));
  const child = spawn(process.execPath, [kernelMain, file], { cwd: folder, stdio: "ignore" });
  const client = connect(connection, randomUUID());
  const { curve_publickey: _p, curve_secretkey: _s, ...plain } = connection;
  const stranger = connect(plain, randomUUID());
  const wrong = connect({ ...connection, curve_publickey: curveKeyPair().publicKey }, randomUUID());
  try {
    await client.request("shell", "kernel_info_request");
    const { outputs } = await client.execute("console.log('secret'); 6 * 7", {});
    assert.ok(outputs.some(({ content }) => content.text === "secret\n"));
    assert.ok(await client.heartbeat(5000));
    for (const other of [stranger, wrong]) {
      const answered = other.request("shell", "kernel_info_request").then(
        () => true,
        () => false,
      );
      const waited = new Promise((resolve) => setTimeout(() => resolve("nothing"), 500));
      assert.is(await Promise.race([answered, waited]), "nothing");
      assert.not.ok(await other.heartbeat(300));
    }
  } finally {
    for (const one of [client, stranger, wrong]) {
      one.fail(new Error("the test is over"));
      one.close();
    }
    child.kill("SIGKILL");
  }
});

test("a connection file with half a pair of keys, or none that is one, is refused", async () => {
  const file = join(await temporaryFolder(), "connection.json");
  const connection = await encrypted().catch(() => undefined);
  if (!connection) return;
  const read = (changes: object) => {
    writeFileSync(file, JSON.stringify({ ...connection, ...changes }));
    return readConnection(file);
  };
  assert.is((await read({})).curve_secretkey, connection.curve_secretkey);
  await rejects(read({ curve_secretkey: undefined }), /come together, got curve_publickey alone/);
  await rejects(read({ curve_publickey: "short" }), /curve_publickey must be a key of CurveZMQ.*got "short"/);
  assert.not.ok("curve_secretkey" in (await read({ curve_publickey: null, curve_secretkey: null })));
});

test.run();
