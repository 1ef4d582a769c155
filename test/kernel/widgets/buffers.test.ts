/** States with bytes: apart in messages, back in their places, of the kind that they were. */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { asKindOf, MODEL, pack, putBuffers } from "../../../kernel/widgets/buffers.ts";

test("bytes travel apart, each with its path", () => {
  const samples = new Float32Array([1, 2]);
  const { state, buffer_paths, buffers } = pack({
    plain: [1, "a", null, { b: true }],
    samples,
    nested: { list: [new Uint8Array([7]), 3, new DataView(new ArrayBuffer(2))], raw: new ArrayBuffer(1) },
    nothing: undefined,
    big: 12n,
  });
  assert.equal(state, { plain: [1, "a", null, { b: true }], nested: { list: [null, 3, null] }, big: 12 });
  assert.equal(buffer_paths, [["samples"], ["nested", "list", 0], ["nested", "list", 2], ["nested", "raw"]]);
  assert.equal(
    buffers.map(({ byteLength }) => byteLength),
    [8, 1, 2, 1],
  );
  // A part of a larger memory is sent alone.
  const part = new Float32Array(samples.buffer, 4, 1);
  assert.equal([...new Float32Array(pack({ part }).buffers[0].slice().buffer)], [2]);
});

test("whatever is packed comes back as it was", () => {
  const leaf = fc.oneof(
    fc.integer(),
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 8 }),
  );
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: "small" },
      leaf,
      fc.array(tie("node"), { maxLength: 4 }),
      fc.dictionary(
        fc.string().filter((key) => key !== "__proto__"),
        tie("node"),
        { maxKeys: 4, noNullPrototype: true },
      ),
    ),
  })).node;
  const states = fc.dictionary(fc.constantFrom("a", "b", "c"), tree, { noNullPrototype: true });
  fc.assert(
    fc.property(states, (state) => {
      const { state: plain, buffer_paths, buffers } = pack(state);
      const wire = JSON.parse(JSON.stringify(plain));
      putBuffers(wire, JSON.parse(JSON.stringify(buffer_paths)), buffers);
      assert.equal(sorted(wire), sorted(state));
    }),
  );
});

/** As JSON with sorted keys: bytes that were apart come back at another place in their object. */
function sorted(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, item) =>
      item && typeof item === "object" && !Array.isArray(item)
        ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
        : item,
    ),
  );
}

test("what cannot be sent is named", () => {
  const round: Record<string, unknown> = {};
  round.self = { round };
  assert.throws(() => pack({ deep: [() => 1] }), /cannot hold a function: deep\.0/);
  assert.throws(() => pack({ s: Symbol("x") }), /a symbol: s/);
  assert.throws(() => pack({ round }), /a value that contains itself: round\.self\.round/);
});

test("a widget within a state is a reference to its model", () => {
  const inner = Object.defineProperty({}, MODEL, { value: { id: "abc" } });
  assert.equal(pack({ children: [inner], one: inner }).state, {
    children: ["IPY_MODEL_abc"],
    one: "IPY_MODEL_abc",
  });
});

test("paths that lead nowhere, and to prototypes, are passed over", () => {
  const state = { a: { b: [] as unknown[] }, text: "x" };
  const bytes = Array.from({ length: 9 }, () => new Uint8Array([1]));
  const paths = [
    ["a", "b", 0],
    ["x", "y"],
    [],
    5,
    ["text", "z"],
    ["__proto__", "polluted"],
    ["a", "__proto__"],
  ];
  putBuffers(state, paths, bytes);
  putBuffers(state, "none", bytes);
  putBuffers(state, [["late"]], []);
  assert.equal(state, { a: { b: [bytes[0]] }, text: "x" });
  assert.is(({} as Record<string, unknown>).polluted, undefined);
});

test("bytes become the kind of array that stood there", () => {
  const bytes = new Uint8Array(new Float32Array([1, 2]).buffer);
  assert.equal(asKindOf(new Float32Array(1), bytes), new Float32Array([1, 2]));
  assert.ok(asKindOf(new DataView(new ArrayBuffer(1)), bytes) instanceof DataView);
  assert.ok(asKindOf(new ArrayBuffer(1), bytes) instanceof ArrayBuffer);
  assert.is(asKindOf(null, bytes), bytes);
  assert.is(asKindOf(new Float64Array(1), bytes.subarray(0, 3)) instanceof Float64Array, false);
  assert.is(asKindOf(new Float32Array(1), 5), 5);
});

test.run();
