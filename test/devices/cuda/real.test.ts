/** `ditlab setup cuda` with NVIDIA's own compiler, as pip gets it: it compiles without a GPU. Skipped by name without it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ditlab } from "../../cli/helpers.ts";
import { temporaryFolder } from "../../io/helpers.ts";

const env = { DITLAB_HOME: await temporaryFolder(), DITLAB_JIT_CACHE: "0", DITLAB_CUDA_PATH: "" };
/** 0.1 GB; cuBLASLt would be four times as much. */
const first = await ditlab(["setup", "cuda", "--major", "13", "--no-products"], env);
const ABSENT = /^ditlab: (pip cannot fetch|NVIDIA's libraries can be set up|--major 13 was given)/m;
const name = "NVIDIA's compiler is fetched, compiles a kernel, is set up once, and is removed";
if (ABSENT.test(first.stderr)) test.skip(`${name} (${first.stderr.trim()})`);
else
  test(name, async () => {
    assert.is(first.code, 0, first.stderr);
    assert.match(first.stdout, /^device 'cuda' is set up: NVRTC 13\.\d+, /m);
    const second = await ditlab(["setup", "cuda", "--major", "13", "--no-products"], env);
    assert.match(second.stdout, /^device 'cuda' was set up before, and works: NVRTC 13/);
    const removed = await ditlab(["setup", "cuda", "--remove"], env);
    assert.is(removed.stdout, "device 'cuda' was removed\n");
  });

test.run();
