"""Nothing is lost, and everything belongs to the cell that made it."""
import time

from client import KernelCase, main


class Outputs(KernelCase):
    def test_100_000_lines_arrive_whole_and_in_order(self):
        text = self.check('for (let i = 0; i < 100_000; i++) console.log("line " + i)').text()
        self.assertEqual(text, "".join(f"line {i}\n" for i in range(100_000)))

    def test_100_000_lines_of_an_asynchronous_loop_arrive_too(self):
        text = self.check("for (let i = 0; i < 100_000; i++) { console.log(i); if (i % 100 === 0) await null }").text()
        self.assertEqual(text, "".join(f"{i}\n" for i in range(100_000)))

    def test_output_of_a_synchronous_loop_streams_while_it_runs(self):
        seen = []

        def note(message):
            if message and message["msg_type"] == "stream":
                seen.append(time.time())

        code = "for (let i = 0; i < 20; i++) { console.log(i); const t = Date.now() + 60; while (Date.now() < t); }"
        result = self.check(code, on_message=note)
        ended = time.time()
        self.assertGreater(len(seen), 5)
        self.assertGreater(ended - seen[0], 0.5)
        self.assertEqual(result.text(), "".join(f"{i}\n" for i in range(20)))

    def test_the_front_end_stays_live_during_a_flood(self):
        msg_id = self.kc.execute('while (true) console.log("flood")')
        time.sleep(1)
        started = time.time()
        self.km.interrupt_kernel()
        result = self.wait(msg_id)
        self.assertEqual(result.reply["ename"], "KeyboardInterrupt")
        self.assertLess(time.time() - started, 30)
        self.check("1 + 1", "2")

    def late(self, msg_id, kind="stream", timeout=10):
        end = time.time() + timeout
        while time.time() < end:
            for message in self.strays:
                if message["parent_header"].get("msg_id") == msg_id and message["msg_type"] == kind:
                    return message["content"]
            try:
                self.strays.append(self.kc.get_iopub_msg(timeout=0.1))
            except Exception:
                pass
        self.fail("the late output did not come")

    def test_late_output_belongs_to_the_cell_that_made_it(self):
        for code, expected in [
            ('setTimeout(() => console.log("timer"), 200)', "timer\n"),
            ('new Promise(r => setTimeout(r, 200)).then(() => console.log("promise")); 0', "promise\n"),
            ('import { exec } from "node:child_process"; exec("sleep 0.2; echo child", (e, out) => console.log(out.trim())); 0', "child\n"),
            ('import { spawn } from "node:child_process"; spawn("sh", ["-c", "sleep 0.2; echo inherited"], { stdio: "inherit" }); 0', "inherited\n"),
            ('setTimeout(() => { throw new Error("late error") }, 200); 0', "late error"),
            ('(async () => { await new Promise(r => setTimeout(r, 200)); throw new Error("late rejection") })(); 0', "late rejection"),
        ]:
            with self.subTest(code=code):
                self.strays = []
                first = self.kc.execute(code)
                self.wait(first)
                self.check("await new Promise(r => setTimeout(r, 500))")
                self.assertIn(expected, self.late(first)["text"])

    def test_synchronous_children_print_into_their_cell(self):
        result = self.check(
            'import { execSync, spawnSync } from "node:child_process";'
            'execSync("echo one", { stdio: "inherit" }); execSync("echo two >&2");'
            'spawnSync("echo", ["three"], { stdio: ["ignore", "inherit", "inherit"] });'
            'String(execSync("echo four")).trim()'
        )
        self.assertEqual(result.text(), "one\nthree\n")
        self.assertEqual(result.text("stderr"), "two\n")
        self.assertIn("four", result.value)

    def test_streams_take_bytes_callbacks_and_split_characters(self):
        result = self.check(
            'process.stdout.write("a"); process.stdout.write(Buffer.from([0xe2, 0x82]));'
            "process.stdout.write(Buffer.from([0xac]));"
            'await new Promise<void>(r => process.stdout.write("!", () => r()));'
            'import { writeSync } from "node:fs"; writeSync(1, "sync\\n"); console.error("e"); console.table([{ x: 1 }])'
        )
        self.assertTrue(result.text().startswith("a\u20ac!sync\n"), result.text())
        self.assertIn("\u2502", result.text())
        self.assertEqual(result.text("stderr"), "e\n")

    def test_display_updates_in_place_and_clears(self):
        result = self.check('const shown = display("first", { id: "d1" }); shown.update("second"); display.clear({ wait: true })')
        self.assertEqual(result.of("display_data")[0]["transient"], {"display_id": "d1"})
        self.assertIn("second", result.of("update_display_data")[0]["data"]["text/plain"])
        self.assertEqual(result.of("clear_output"), [{"wait": True}])

    def test_a_cell_that_ends_with_display_shows_its_value_once(self):
        result = self.check("display('once')")
        self.assertEqual(len(result.of("display_data")), 1)
        self.assertEqual(result.of("execute_result"), [])

    def test_the_display_symbol_gives_several_types_at_once(self):
        result = self.check(
            '({ [Symbol.for("Jupyter.display")]() { return { "text/plain": "p", "text/html": "<b>h</b>" } } })'
        )
        self.assertEqual(result.of("execute_result")[0]["data"], {"text/plain": "p", "text/html": "<b>h</b>"})

    def test_the_last_expression_is_shown(self):
        self.check("[1, 2, 3].map(n => n * 2)", "[ 2, 4, 6 ]")
        self.check('"text"')
        self.assertEqual(self.check("undefined").messages[-2]["msg_type"], "execute_input")
        table = self.check("[{ a: 1, b: 'x' }, { a: 2, b: 'y' }]").of("execute_result")[0]["data"]
        self.assertIn("<table", table["text/html"])
        self.assertIn("\u2502", table["text/plain"])

    def test_plotly_is_shipped_once_and_again_when_its_cell_is_run_again(self):
        figure = "display.plot([{ x: [1, 2], y: [3, 4] }])"

        def shipped(result):
            return sum(len(c["data"]["text/html"]) > 500_000 for c in result.of("display_data"))

        for code, expected in [
            (figure, 1),
            (figure + ";", 0),
            (figure, 1),
            (figure + ";;", 0),
            ("display.clear(); " + figure, 0),
            ("const live = display(" + figure + "); live.update(" + figure + ")", 0),
        ]:
            with self.subTest(code=code):
                self.assertEqual(shipped(self.check(code)), expected)


class Cleared(KernelCase):
    def test_plotly_is_shipped_again_after_its_output_was_cleared(self):
        figure = "display(display.plot([{ y: [1] }]))"
        result = self.check(f"{figure}; display.clear(); {figure}; {figure}; 0")
        sizes = [len(c["data"]["text/html"]) > 500_000 for c in result.of("display_data")]
        self.assertEqual(sizes, [True, False, True, False, False])


if __name__ == "__main__":
    main()
