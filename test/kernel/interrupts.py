"""Stop means stop."""
import os
import tempfile
import time

from client import KernelCase, main

FOLDER = tempfile.mkdtemp()
with open(os.path.join(FOLDER, "library.mjs"), "w") as file:
    file.write(
        "export const fib = (k) => (k < 2 ? k : fib(k - 1) + fib(k - 2));\n"
        "export async function poll() { for (;;) await new Promise((r) => setTimeout(r, 5)); }\n"
    )
with open(os.path.join(FOLDER, "endless.mjs"), "w") as file:
    file.write("await new Promise(() => {});\n")
with open(os.path.join(FOLDER, "local.ts"), "w") as file:
    file.write("export async function spin(): Promise<never> { await null; for (;;); }\n")

CASES = {
    "a_synchronous_loop": "for (;;) n++",
    "an_asynchronous_loop": "for (;;) { await null; n++ }",
    "an_asynchronous_loop_that_sleeps": "for (;;) { await sleep(20); n++ }",
    "a_synchronous_loop_after_an_await": "await null; for (;;) n++",
    "a_pending_await": "await new Promise(() => {})",
    "a_synchronous_generator": "function* g() { for (;;) yield 1 }\nfor (const x of g()) n += x",
    "for_await": "for await (const x of (async function* () { for (;;) { await sleep(5); yield 1 } })()) n += x",
    "recursion": "const fib2 = (k: number): number => (k < 2 ? k : fib2(k - 1) + fib2(k - 2)); fib2(100)",
    "recursion_after_an_await": "await null; (function f(k: number): number { return k < 2 ? k : f(k - 1) + f(k - 2) })(100)",
    "library_code": "fib(100)",
    "a_library_that_polls": "await poll()",
    "a_local_module_that_spins_after_an_await": "await spin()",
    "a_loop_that_catches_everything": "for (;;) { try { for (;;) n++ } catch {} }",
    "a_promise_chain": "const chain = (): Promise<void> => Promise.resolve().then(() => { n++; return chain() }); await chain()",
    "a_flood": "for (;;) console.log(n++)",
    "a_child_process": 'import { execSync } from "node:child_process"; execSync("sleep 60")',
    "a_pending_child_process": 'import { execFile } from "node:child_process"; import { promisify } from "node:util"; await promisify(execFile)("sleep", ["60"])',
    "a_timer_that_repeats": "setInterval(() => n++, 5); await new Promise(() => {})",
    "a_forgotten_loop": "(async () => { for (;;) { await sleep(5); n++ } })(); await new Promise(() => {})",
    "a_pending_last_expression": "new Promise(() => {})",
    "an_event_that_never_comes": 'import { once } from "node:events"; once(process, "x")',
    "an_import_that_never_ends": 'import "./endless.mjs"',
    "a_value_that_is_never_drawn": '({ [Symbol.for("Jupyter.display")]: () => new Promise(() => {}) })',
    "waiting_for_input": 'await input("?")',
    "waiting_at_a_prompt": 'try { prompt("?") } catch { prompt("again?") }',
    "a_regular_expression_after_its_return": 'for (;;) /^(a+)+$/.test("a".repeat(22) + "b")',
    "array_callbacks": "for (;;) Array.from({ length: 1e4 }, (_, i) => i).sort((a, b) => b - a)",
}


class Interrupts(KernelCase):
    cwd = FOLDER

    def interrupted(self, code, after=0.3):
        msg_id = self.kc.execute(code, allow_stdin=True)
        time.sleep(after)
        started = time.time()
        self.km.interrupt_kernel()
        result = self.wait(msg_id, timeout=30)
        self.assertEqual(result.status, "error", str(result.reply)[:500])
        self.assertEqual(result.reply["ename"], "KeyboardInterrupt", str(result.reply)[:500])
        return time.time() - started

    def prepare(self):
        self.check(
            'import { fib, poll } from "./library.mjs"; import { spin } from "./local.ts";'
            "var n = 0; const survivor = 41; const sleep = (ms: number) => new Promise(r => setTimeout(r, ms));"
        )

    def test_an_idle_kernel_does_not_mind(self):
        self.km.interrupt_kernel()
        self.check("1 + 1", "2")

    def test_a_cell_that_has_not_begun_is_interrupted_too(self):
        self.km.restart_kernel(now=True)
        self.kc.wait_for_ready(timeout=60)
        # Two sockets keep no common order: either message may come first.
        for _ in range(40):
            msg_id = self.kc.execute("for (;;);")
            self.km.interrupt_kernel()
            self.assertEqual(self.wait(msg_id).reply["ename"], "KeyboardInterrupt")

    def test_a_cell_that_takes_long_to_begin_is_interrupted_too(self):
        # A timer that cannot be stopped keeps the main thread from it, as a loaded machine does.
        self.check(
            "// @no-interrupt-checks\n"
            "setTimeout(() => { const end = Date.now() + 4000; while (Date.now() < end); }, 200); 0", "0"
        )
        time.sleep(0.4)
        msg_id = self.kc.execute("for (;;);")
        for _ in range(3):
            self.km.interrupt_kernel()
            time.sleep(0.1)
        self.assertEqual(self.wait(msg_id, timeout=20).reply["ename"], "KeyboardInterrupt")
        self.check("1 + 1", "2")

    def test_a_cell_that_is_compiled_for_long_is_interrupted_too(self):
        # So much code that the interrupt, and the signal after it, come before it begins.
        code = 'import { execSync } from "node:child_process";\n'
        code += "\n".join(f"const compiled{i} = [{i}].map((n) => ({{ n, s: `${{n}}` }}));" for i in range(3000))
        self.interrupted(code + '\nexecSync("sleep 60")', after=0.2)

    def test_a_child_that_begins_after_the_signal_is_interrupted_too(self):
        code = 'import { execSync } from "node:child_process"; const end = Date.now() + 800;\n'
        self.interrupted("// @no-interrupt-checks\n" + code + 'await null; while (Date.now() < end); execSync("sleep 60")')

    def test_a_call_that_fails_by_the_interrupt_is_interrupted(self):
        # A child process may end, and its call fail, before the signal has come to the kernel itself.
        failing = 'while (!__interrupt[0]); throw new Error("Command failed: sleep 60")'
        before = "// @ts-nocheck\n// @no-interrupt-checks\n"
        self.check("let seen = 0")
        self.interrupted(before + failing)
        self.interrupted(before + "try { " + failing + " } catch { seen = 1 }")
        self.check("seen", "0")

    def test_a_cell_sent_after_the_interrupt_is_not_meant(self):
        for _ in range(40):
            self.km.interrupt_kernel()
            self.check("let sum = 0; for (let i = 0; i < 1e7; i++) sum += i; await null; sum > 0", "true")

    def test_twice_in_a_row(self):
        for _ in range(2):
            msg_id = self.kc.execute("for (;;);")
            time.sleep(0.2)
            self.km.interrupt_kernel()
            self.km.interrupt_kernel()
            self.assertEqual(self.wait(msg_id).reply["ename"], "KeyboardInterrupt")
            self.check("1 + 1", "2")

    def test_finally_blocks_run(self):
        msg_id = self.kc.execute('try { for (;;); } finally { console.log("cleaned") }')
        time.sleep(0.3)
        self.km.interrupt_kernel()
        self.assertEqual(self.wait(msg_id).text(), "cleaned\n")

    def test_queued_cells_are_aborted(self):
        self.check("let queued = 0")
        first = self.kc.execute("for (;;);")
        self.kc.execute("queued = 1")
        time.sleep(0.3)
        self.km.interrupt_kernel()
        self.wait(first)
        self.check("queued", "0")

    def test_between_cells_what_they_left_running_is_stopped(self):
        self.check("let left = 0; const count = () => { left++ };")
        for code in [
            "setInterval(count, 5); 0",
            "(async () => { for (;;) { await new Promise(r => setTimeout(r, 5)); count() } })(); 0",
            "setTimeout(() => { for (;;) count() }, 100); 0",
            "(function again() { setTimeout(() => { count(); again() }, 5) })(); 0",
        ]:
            with self.subTest(code=code):
                self.check("left = 0")
                self.check(code)
                time.sleep(0.3)
                self.km.interrupt_kernel()
                time.sleep(0.5)
                stopped = int(self.check("left").value)
                self.assertGreater(stopped, 0)
                time.sleep(0.1)
                self.check("left", str(stopped))

    def test_an_earlier_cells_timer_goes_on(self):
        self.check("let ticks = 0; const ticking = setInterval(() => { for (let i = 0; i < 3; i++) ticks++ }, 10)")
        self.interrupted("await new Promise(() => {})")
        self.check("const before = ticks; await new Promise(r => setTimeout(r, 100)); clearInterval(ticking); ticks > before", "true")

    def test_checks_can_be_switched_off(self):
        self.check("// @no-interrupt-checks\nlet k = 0; for (let i = 0; i < 1e6; i++) k++; k", "1000000")
        self.interrupted("// @no-interrupt-checks\nfor (;;);")


def case(code):
    def test(self):
        self.prepare()
        seconds = self.interrupted(code)
        self.check("survivor + 1", "42")
        first = self.check("n").value
        time.sleep(0.1)
        self.assertEqual(self.check("n").value, first, "something keeps running")
        # Half a second is what users are promised; a loaded test machine gets more.
        self.assertLess(seconds, 3)

    return test


for name, code in CASES.items():
    setattr(Interrupts, f"test_{name}", case(code))

if __name__ == "__main__":
    main()
