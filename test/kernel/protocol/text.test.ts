/** What is sent and written is text that every reader can decode. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatNotebook } from "../../../kernel/notebook/format.ts";
import { encode, header } from "../../../kernel/protocol/message.ts";
import { notebook } from "../notebook/sample.ts";

/** Halves of characters alone, whole ones, and the escape of a half written out. */
const BROKEN = "a\ud83d b\ude00 \u{1f600} \\ud83d \\\\\ude00 \n";
const WHOLE = "a\ufffd b\ufffd \u{1f600} \\ud83d \\\\\ufffd \n";

test("halves of characters become U+FFFD in messages, in values and in keys", () => {
  const content = { text: BROKEN, list: [BROKEN], [BROKEN]: 1 };
  const head = header("stream", "s");
  const frames = encode(
    { identities: [], header: head, parentHeader: {}, metadata: {}, content, buffers: [] },
    "",
  );
  const sent = JSON.parse(Buffer.from(frames[5]).toString());
  assert.equal(sent, { text: WHOLE, list: [WHOLE], [WHOLE]: 1 });
});

test("and in documents", () => {
  const document = notebook();
  document.cells[0].source = BROKEN;
  document.metadata.mark = { [BROKEN]: BROKEN };
  const { cells, metadata } = JSON.parse(formatNotebook(document));
  assert.is(cells[0].source.join(""), WHOLE);
  assert.equal(metadata.mark, { [WHOLE]: WHOLE });
});

test.run();
