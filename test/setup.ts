/** Loaded before the tests: what they compile does not fill the user's cache. Tests of the cache use folders of their own. */
import { existsSync } from "node:fs";
import { REGISTRATIONS, writeRegistrations } from "../lib/tensor/bundle-registrations.js";

process.env.DITLAB_JIT_CACHE ??= "0";
// The build makes it; an installation without scripts has not.
if (!existsSync(REGISTRATIONS)) await writeRegistrations();
