/** Tests on the stand-ins: each in a context of its own, and skipped by name where they cannot be built. */
import { test as always } from "uvu";
import * as assert from "uvu/assert";
import { type Harness, openStandIns } from "./harness.ts";

const MISSING = "the stand-ins for CUDA need g++ and Linux on x86-64";
const cuda = await openStandIns();

export const test = (name: string, body: (c: Harness) => void | Promise<void>): void => {
  if (!cuda) always.skip(`${name} (${MISSING})`, () => {});
  else
    always(name, async () => {
      cuda.reset();
      await body(cuda);
    });
};
export const runTests = (): void => always.run();

/** A mistake that the stand-ins must have seen. */
export const found = (c: Harness, pattern: RegExp): void => {
  const { faults } = c.report();
  assert.ok(
    faults.some((sentence) => pattern.test(sentence)),
    `no fault like ${pattern}; found: ${JSON.stringify(faults)}`,
  );
};
export const clean = (c: Harness): void => assert.equal(c.report().faults, []);
