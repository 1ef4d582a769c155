/** How often a growing notebook is written. */
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { spacedSaves } from "../../../kernel/notebook/saves.ts";

test("quick saves are made at once", async () => {
  let saved = 0;
  const saves = spacedSaves(async () => void saved++);
  for (let cell = 1; cell <= 3; cell++) {
    await saves.soon();
    await sleep(5);
    assert.is(saved, cell);
  }
  await saves.now();
  assert.is(saved, 4);
});

test("slow saves rest, the last state is kept without another call, and no two write at once", async () => {
  const written: number[] = [];
  let writing = 0;
  let state = 0;
  const saves = spacedSaves(async () => {
    assert.is(++writing, 1);
    const mine = state;
    await sleep(100);
    written.push(mine);
    writing--;
  });
  await saves.now();
  for (state = 1; state <= 9; state++) await saves.soon();
  state = 9;
  assert.equal(written, [0], "nine cells that ended meanwhile have no save of their own");
  for (let i = 0; written.length < 2 && i < 200; i++) await sleep(20);
  assert.equal(written, [0, 9]);
  state = 10;
  await Promise.all([saves.soon(), saves.now(), saves.now()]);
  assert.equal(written.slice(2).at(-1), 10);
});

test("a save that fails while a cell runs is told at the next", async () => {
  let broken = false;
  const saves = spacedSaves(async () => {
    await sleep(20);
    if (broken) throw new Error("the disk is full");
  });
  await saves.now();
  broken = true;
  await saves.soon();
  await sleep(200);
  for (const save of [saves.soon, saves.now])
    try {
      await save();
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, "the disk is full");
    }
});

test.run();
