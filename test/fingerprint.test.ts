/** Fingerprints name files and records of earlier runs: what they are of, and that they stay what they were. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { contentOfParams, digestOf, fingerprint } from "../lib/fingerprint.ts";
import { tf } from "../lib/tensor/index.ts";

test("the hash of all pieces, whole or its first digits", () => {
  const whole = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // SHA-256 of "abc"
  assert.is(fingerprint(["a", Buffer.from("bc")]), whole);
  assert.is(fingerprint(["abc"], 16), whole.slice(0, 16));
  assert.is(digestOf(["ab", "c"]).toString("hex"), whole);
  assert.is(fingerprint([Float32Array.of(1)]), fingerprint([Buffer.from([0, 0, 0x80, 0x3f])]));
});

test("parameters in any order are the same, other numbers or names are not", async () => {
  const [w, b] = [tf.tensor1d([1, 2]), tf.tensor1d([3])];
  const of = (params: Record<string, typeof w>, counts?: (name: string) => boolean): Promise<string> =>
    contentOfParams(params, counts).then((content) => fingerprint(content));
  assert.is(await of({ w, b }), await of({ b, w }));
  assert.is(await of({ w, b }, (name) => name === "w"), await of({ w }));
  assert.is.not(await of({ w, b }), await of({ w, b: tf.tensor1d([4]) }));
  assert.is.not(await of({ w, b }), await of({ w, c: b }));
});

test.run();
