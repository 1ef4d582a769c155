import { createHash } from "node:crypto";
import { access, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cacheFolder, download } from "../../lib/io/index.ts";
import { rejects, temporaryFolder } from "./helpers.ts";

const content = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i) % 251));
const sha256 = createHash("sha256").update(content).digest("hex");
const md5 = createHash("md5").update(content).digest("hex");
const ranges: (string | undefined)[] = [];

/** `/file` understands ranges, `/whole` does not, `/breaks` stops after 100,000 bytes. */
const server = createServer((request, response) => {
  const range = request.headers.range;
  ranges.push(range);
  if (request.url === "/breaks") {
    response.writeHead(200, { "content-length": content.length });
    response.write(content.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 20));
  } else if (request.url === "/file" && range) {
    const start = Number(/^bytes=(\d+)-$/.exec(range)?.[1]);
    if (start >= content.length) {
      response.writeHead(416).end();
      return;
    }
    const end = content.length - 1;
    response.writeHead(206, { "content-range": `bytes ${start}-${end}/${content.length}` });
    response.end(content.subarray(start));
  } else if (request.url === "/file" || request.url === "/whole") {
    response.writeHead(200, { "content-length": content.length }).end(content);
  } else response.writeHead(404).end();
});

let base = "";
let destination = "";

test.before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
test.before.each(async () => {
  destination = join(await temporaryFolder(), "deep", "model.bin");
  ranges.length = 0;
});
test.after(() => {
  server.closeAllConnections();
  server.close();
});

test("downloads, reports progress, and does not download again", async () => {
  const progress: [number, number | undefined][] = [];
  const file = { name: "the model", url: `${base}/file`, sha256, destination };
  const onProgress = (received: number, total: number | undefined) => progress.push([received, total]);
  assert.is(await download(file, { onProgress }), destination);
  assert.equal(await readFile(destination), content);
  assert.equal(progress.at(-1), [content.length, content.length]);
  assert.equal(await readdir(join(destination, "..")), ["model.bin"]);
  await download(file);
  assert.is(ranges.length, 1);
  await download({ ...file, sha256: undefined, md5: md5.toUpperCase(), destination: `${destination}.2` });
});

test("refuses a wrong checksum and keeps nothing", async () => {
  const wrong = { name: "the model", url: `${base}/file`, md5: "0".repeat(32), destination };
  await rejects(download(wrong), /Cannot download the model from http.*its MD5 is \w{32}, expected 0000/);
  assert.equal(await readdir(join(destination, "..")), []);
  await writeFile(destination, "put here by hand, but something else");
  await rejects(download(wrong), /model\.bin is not the expected the model: its MD5/);
  assert.ok(await readFile(destination), "a file put there by hand is never deleted");
});

test("continues a file that was cut off, also in the middle of a call", async () => {
  const file = { name: "the model", sha256, destination };
  await rejects(download({ ...file, url: `${base}/breaks` }), /Cannot download the model/);
  const { length } = await readFile(`${destination}.part`);
  assert.ok(length > 0 && length <= 100_000);
  await download({ ...file, url: `${base}/file` });
  assert.is(ranges[1], `bytes=${length}-`);
  assert.equal(await readFile(destination), content);
});

test("starts over where the server has no ranges, or the part is too long", async () => {
  for (const [route, part] of [
    ["/whole", content.subarray(0, 999)],
    ["/file", Buffer.alloc(400_000)],
  ] as const) {
    const target = `${destination}${route.length}`;
    await download({ name: "a", url: `${base}/file`, sha256, destination: `${target}.other` });
    await writeFile(`${target}.part`, part);
    await download({ name: "the model", url: base + route, sha256, destination: target });
    assert.equal(await readFile(target), content);
  }
});

test("says what to do when the server is away or has no such file", async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const file = { name: "the model", sha256, bytes: 2_700_000_000, destination };
  await rejects(
    download({ ...file, url: `http://127.0.0.1:${port}/x` }),
    /Cannot download the model \(2\.7 GB\) from http:\/\/127\.0\.0\.1:\d+\/x: .*ECONNREFUSED/,
    /put it at .*model\.bin$/,
  );
  await rejects(download({ ...file, url: `${base}/none` }), /the server answered 404 Not Found/, /put it at/);
  assert.not.ok(
    await access(destination).then(
      () => true,
      () => false,
    ),
  );
});

test("the cache folder follows DITLAB_HOME, then XDG_CACHE_HOME", () => {
  const names = ["DITLAB_HOME", "XDG_CACHE_HOME"] as const;
  const before = names.map((name) => process.env[name]);
  process.env.XDG_CACHE_HOME = "/caches";
  process.env.DITLAB_HOME = "/somewhere";
  const both = cacheFolder("a", "b");
  delete process.env.DITLAB_HOME;
  const one = cacheFolder("a");
  delete process.env.XDG_CACHE_HOME;
  const none = cacheFolder("a");
  for (const [i, name] of names.entries()) if (before[i] !== undefined) process.env[name] = before[i];
  assert.equal(
    [both, one, none],
    [join("/somewhere", "a", "b"), join("/caches", "ditlab", "a"), join(homedir(), ".cache", "ditlab", "a")],
  );
});

test.run();
