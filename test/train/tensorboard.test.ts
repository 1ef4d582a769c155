import { readdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import protobuf from "protobufjs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openEventFile } from "../../lib/train/tensorboard.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";

/** CRC-32C bit by bit (reflected polynomial 0x82f63b78), to check the library's with something else. */
function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function unmask(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

interface Scalar {
  tag: string;
  value: number;
  step: number;
}

/** Reads one event field by field, as any protocol buffer reader would. */
function decode(data: Uint8Array): { wallTime: number; version?: string; scalar?: Scalar } {
  const reader = protobuf.Reader.create(data);
  const event: { wallTime: number; version?: string; scalar?: Scalar } = { wallTime: Number.NaN };
  let step = 0;
  while (reader.pos < reader.len) {
    const field = reader.uint32();
    if (field === ((1 << 3) | 1)) event.wallTime = reader.double();
    else if (field === ((2 << 3) | 0)) step = Number(reader.int64());
    else if (field === ((3 << 3) | 2)) event.version = reader.string();
    else if (field === ((5 << 3) | 2)) {
      const summary = protobuf.Reader.create(reader.bytes());
      assert.is(summary.uint32(), (1 << 3) | 2);
      const value = protobuf.Reader.create(summary.bytes());
      assert.is(value.uint32(), (1 << 3) | 2);
      const tag = value.string();
      assert.is(value.uint32(), (2 << 3) | 5);
      event.scalar = { tag, value: value.float(), step };
    } else assert.unreachable(`unexpected field ${field}`);
  }
  return event;
}

/** Takes a file apart, checking every length and checksum. */
function records(file: Buffer): ReturnType<typeof decode>[] {
  const events: ReturnType<typeof decode>[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    assert.is(unmask(file.readUInt32LE(at + 8)), crc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    assert.is(data.length, length);
    assert.is(unmask(file.readUInt32LE(at + 12 + length)), crc32c(data));
    events.push(decode(data));
    at += 12 + length + 4;
  }
  return events;
}

test("the checksum used to check is CRC-32C", () => {
  assert.is(crc32c(Buffer.from("123456789")), 0xe3069283);
});

test("writes scalars that decode to what was logged", async () => {
  const folder = join(await temporaryFolder(), "run");
  const events = await openEventFile(folder);
  events.scalar("loss/train", 0.1, 0);
  events.scalar("loss/train", Number.NaN, 2 ** 33);
  await events.flush();
  const flushed = records(await readFile(events.path));
  assert.is(flushed.length, 3);
  events.scalar("größe", -2, 3);
  events.scalar("zero", 0, 4);
  await events.close();

  const [version, ...scalars] = records(await readFile(events.path));
  assert.is(version.version, "brain.Event:2");
  assert.equal(
    scalars.map((event) => event.scalar),
    [
      { tag: "loss/train", value: Math.fround(0.1), step: 0 },
      { tag: "loss/train", value: Number.NaN, step: 2 ** 33 },
      { tag: "größe", value: -2, step: 3 },
      { tag: "zero", value: 0, step: 4 },
    ],
  );
  for (const { wallTime } of scalars) assert.ok(Math.abs(wallTime - Date.now() / 1000) < 60);
});

test("resuming opens another file and keeps the first", async () => {
  const folder = await temporaryFolder();
  for (const step of [1, 2]) {
    const events = await openEventFile(folder);
    events.scalar("loss", step, step);
    await events.close();
  }
  const names = (await readdir(folder)).sort();
  assert.is(names.length, 2);
  const pattern = /^events\.out\.tfevents\.(\d{10})\.(.+)$/;
  for (const [i, name] of names.entries()) {
    assert.ok(pattern.exec(name)?.[2].startsWith(hostname()), name);
    assert.is(records(await readFile(join(folder, name)))[1].scalar?.step, i + 1);
  }
});

test("overlapping flushes keep the order", async () => {
  const events = await openEventFile(await temporaryFolder());
  const flushes = Array.from({ length: 50 }, (_, step) => {
    events.scalar("x", step, step);
    return events.flush();
  });
  await Promise.all(flushes);
  await events.close();
  await events.close();
  const steps = records(await readFile(events.path)).map((event) => event.scalar?.step);
  assert.equal(steps.slice(1), [...Array(50).keys()]);
});

test("refuses bad steps, points after closing, and a folder that is a file", async () => {
  const events = await openEventFile(await temporaryFolder());
  assert.throws(() => events.scalar("x", 1, 0.5), /step of "x" must be an integer, got 0\.5/);
  await events.close();
  assert.throws(() => events.scalar("x", 1, 1), /Cannot add "x" to .*: it is closed/);
  await rejects(openEventFile(events.path), /EEXIST|ENOTDIR/);
});

test.run();
