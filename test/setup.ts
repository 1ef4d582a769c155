/**
 * Loaded before the tests: what they compile does not fill the user's cache (tests of the cache use folders of their own),
 * and a test that is skipped says its name, which uvu only counts.
 */
import { existsSync } from "node:fs";
import { test } from "uvu";
import { REGISTRATIONS, writeRegistrations } from "../lib/tensor/bundle-registrations.js";

process.env.DITLAB_JIT_CACHE ??= "0";
// Nor do their cells come up in the history of its notebooks.
process.env.DITLAB_HISTORY ??= "off";
// The build makes it; an installation without scripts has not.
if (!existsSync(REGISTRATIONS)) await writeRegistrations();

const skip = test.skip;
test.skip = (name) => {
  console.log(`skipped: ${name}`);
  skip(name);
};
