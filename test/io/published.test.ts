/** Published files by name, from a server that answers as the hub does. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fetchPublished, pathOrPublished, publishedNames } from "../../lib/io/index.ts";
import { rejects, temporaryFolder } from "./helpers.ts";

const hash = (algorithm: string, ...content: (string | Buffer)[]): string =>
  content.reduce((hash, part) => hash.update(part), createHash(algorithm)).digest("hex");

const weights = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * i) % 251));
const config = Buffer.from('{"latent_channels": 4}');
const tags: Record<string, string> = {};
const requests: string[] = [];

/** Large files are elsewhere, and their tag is their SHA-256; small ones are here, and theirs is Git's. */
const server = createServer((request, response) => {
  requests.push(`${request.method} ${request.url}`);
  const isConfig = request.url?.endsWith("config.json");
  const content = isConfig ? config : weights;
  if (request.url?.startsWith("/elsewhere")) response.writeHead(200, {}).end(content);
  else if (isConfig)
    response
      .writeHead(200, { etag: tags.config, "content-length": config.length })
      .end(request.method === "HEAD" ? undefined : config);
  else response.writeHead(302, { location: "/elsewhere", "x-linked-etag": tags.weights }).end();
});

test.before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
test.before.each(async () => {
  process.env.DITLAB_HOME = await temporaryFolder();
  tags.config = `"${hash("sha1", `blob ${config.length}\0`, config)}"`;
  tags.weights = `"${hash("sha256", weights)}"`;
  requests.length = 0;
});
test.after(() => {
  server.closeAllConnections();
  server.close();
});

test("files of the hub are checked against what it says of them, and not asked for again", async () => {
  const seen = new Set<string>();
  const folder = await fetchPublished("sd-vae-ft-ema", { onProgress: (file) => seen.add(file) });
  assert.equal(await readFile(join(folder, "config.json")), config);
  assert.equal(await readFile(join(folder, "diffusion_pytorch_model.safetensors")), weights);
  assert.equal([...seen], ["config.json", "diffusion_pytorch_model.safetensors"]);
  const count = requests.length;
  assert.is(await fetchPublished("sd-vae-ft-ema"), folder);
  assert.is(requests.length, count);
  await writeFile(join(folder, "config.json"), "damaged since");
  await rejects(fetchPublished("sd-vae-ft-ema"), /config\.json is not the expected .*Git blob's SHA-1 is/);
});

test("a wrong checksum keeps nothing, and a server without one is refused", async () => {
  tags.weights = `"${"0".repeat(64)}"`;
  const name = "sitxl-sra-res256-ep800";
  await rejects(fetchPublished(name), /Cannot download sitxl-sra-res256-ep800\.pt .*its SHA-256 is/);
  tags.weights = '"an-opaque-tag"';
  await rejects(fetchPublished(name), /the server gave no checksum, but the tag "an-opaque-tag"/);
  assert.equal(await readdir(join(process.env.DITLAB_HOME!, "published", name)), []);
  // Pinned files are not believed to the server.
  await rejects(fetchPublished("sd-vae-ft-mse"), /config\.json of sd-vae-ft-mse .*its SHA-256 is/);
});

test("paths are paths, names and the authors' file names are published", async () => {
  const folder = await temporaryFolder();
  assert.is(await pathOrPublished(join(folder, "none.pt")), join(folder, "none.pt"));
  const path = await pathOrPublished("sitxl-sra-res512-ep400.pt");
  assert.match(path, /published.sitxl-sra-res512-ep400.sitxl-sra-res512-ep400\.pt$/);
  assert.equal(await readFile(path), weights);
  await rejects(fetchPublished("resnet"), /nothing published as 'resnet', expected sitxl-sra-res256-ep800, /);
  assert.ok(publishedNames.some(({ name }) => name === "imagenet-classes"));
});

test("without a connection the error says what to put where, and what is there is used", async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const endpoint = process.env.HF_ENDPOINT;
  process.env.HF_ENDPOINT = `http://127.0.0.1:${port}`;
  try {
    const name = "sitxl-sra-res256-ep800";
    const error = await fetchPublished(name).then(
      () => "",
      ({ message }) => message,
    );
    assert.match(error, /^Cannot download sitxl-sra-res256-ep800\.pt of .* \(2\.7 GB\) from .*ECONNREFUSED/);
    const [, place] = /put it at (.*)$/.exec(error)!;
    await mkdir(join(place, ".."), { recursive: true });
    await writeFile(place, "by hand");
    assert.is(await fetchPublished(name), place);
  } finally {
    process.env.HF_ENDPOINT = endpoint;
  }
});

test.run();
