/** The Dockerfile: linted here, and built and asked where there is an engine and `DITLAB_DOCKER=1` asks for it. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { validate } from "dockerfile-utils";
import { test } from "uvu";
import * as assert from "uvu/assert";

const root = join(import.meta.dirname, "..");
const text = readFileSync(join(root, "Dockerfile"), "utf8");
const ofKind = (keyword: string): string[] =>
  [...text.matchAll(new RegExp(`^${keyword} (.*)$`, "gm"))].map(([, rest]) => rest);

test("the linter has nothing to say", () => {
  assert.equal(
    validate(text).map(({ message, range }) => `${range.start.line + 1}: ${message}`),
    [],
  );
  assert.ok(validate("FORM node").length > 0, "it does find faults");
});

test("what it copies is there, and is not kept from it", () => {
  const copied = ofKind("COPY")
    .filter((arguments_) => !arguments_.includes("--from="))
    .flatMap((arguments_) =>
      arguments_
        .split(/\s+/)
        .filter((word) => !word.startsWith("--"))
        .slice(0, -1),
    );
  assert.ok(copied.includes("notebooks"));
  for (const path of copied) assert.ok(existsSync(join(root, path)), path);
  const ignored = readFileSync(join(root, ".dockerignore"), "utf8").split("\n");
  assert.equal(
    copied.filter((path) => ignored.includes(path)),
    [],
  );
  // What the build makes, or a folder of somebody's runs, would change with each machine.
  for (const path of [".git", "**/node_modules", "dist", "runs"]) assert.ok(ignored.includes(path), path);
});

test("its Node is one that the package runs on, and its user is not root", () => {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const least = Number(/\d+/.exec(engines.node)![0]);
  for (const image of ofKind("FROM")) assert.ok(Number(/^node:(\d+)-/.exec(image)?.[1]) >= least, image);
  assert.equal(ofKind("USER"), ["node"]);
});

const docker = (args: string[]) => spawnSync("docker", args, { cwd: root, encoding: "utf8" });
const hasEngine = process.env.DITLAB_DOCKER === "1" && docker(["info"]).status === 0;

(hasEngine ? test : test.skip)("it is built, and runs a notebook (DITLAB_DOCKER=1, an engine)", async () => {
  const built = docker(["build", "--tag", "ditlab-test", "."]);
  assert.is(built.status, 0, built.stderr);
  const run = docker([
    "run",
    "--rm",
    "ditlab-test",
    "ditlab",
    "notebook",
    "run",
    "notebooks/02-schedules-interpolants.ipynb",
  ]);
  assert.is(run.status, 0, run.stderr);
  const server = spawn("docker", [
    "run",
    "--rm",
    "--name",
    "ditlab-test",
    "--publish",
    "127.0.0.1:18888:8888",
    "ditlab-test",
  ]);
  try {
    let answered = false;
    for (let i = 0; i < 60 && !answered; i++) {
      await sleep(500);
      answered = await fetch("http://127.0.0.1:18888/api").then(
        ({ ok }) => ok,
        () => false,
      );
    }
    assert.ok(answered);
  } finally {
    docker(["rm", "--force", "ditlab-test"]);
    server.kill();
  }
});

test.run();
