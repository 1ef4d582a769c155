"""Random cells, valid, broken, huge, binary and empty, never crash or wedge the kernel. Usage: randomized.py [count] [seed]"""
import random
import sys
import time
from queue import Empty

from client import KernelCase

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1

VALID = [
    "1 + 1",
    "let v{n} = {n}; v{n} * 2",
    "const w{n} = [{n}, '{n}'] as const; w{n}",
    "function f{n}(x: number): number {{ return x > 0 ? x + f{n}(x - 1) : {n} }} f{n}(3)",
    "class C{n} {{ #p = {n}; get p() {{ return this.#p }} }} new C{n}().p",
    "interface I{n} {{ a: number }} ({{ a: {n} }}) satisfies I{n}",
    "for (let i = 0; i < 3; i++) console.log(i, {n})",
    "for await (const x of [1, Promise.resolve({n})]) console.log(x)",
    "await new Promise(r => setImmediate(r)); {n}",
    "throw new Error('expected {n}')",
    "Promise.reject(new Error('loose {n}')); 0",
    "setTimeout(() => {{ throw new RangeError('late {n}') }}, 1); 0",
    "import {{ join }} from 'node:path'; join('a', '{n}')",
    "display('shown {n}')",
    "display.html('<b>{n}</b>')",
    "type T{n} = {{ [K in 'a' | 'b']: K }}; const t{n}: T{n} = {{ a: 'a', b: 'b' }}; t{n}",
    "enum E{n} {{ A = {n} }} E{n}[{n}]",
    "new Proxy({{}}, {{ get() {{ throw new Error('trap') }}, ownKeys() {{ throw 1 }} }})",
    "({{ get x(): number {{ throw new Error('getter') }} }})",
    "Object.create(null)",
    "const loop{n}: any = {{}}; loop{n}.self = loop{n}; loop{n}",
    "Symbol('s{n}')",
    "new Array({n}00).fill(0)",
    "process.stdout.write('x'.repeat({n}000)); undefined",
    "console.error(new Error('printed'))",
    "const deep{n} = (k: number): number => deep{n}(k + 1); deep{n}(0)",
    "throw {{ toString() {{ throw 1 }} }}",
    "10n ** {n}n",
    "`${{[1, 2].map(x => `${{x}}`)}}`",
    "export const exp{n} = {n}",
    "var undefined_{n}; undefined_{n}",
    "/(a+)+$/.test('aaaa{n}')",
    "// only a comment",
    "/* another */",
    ";;;;",
    "debugger",
    "'use strict'",
]
PIECES = list("(){}[]<>`'\";:,.=+-*/%&|!?@#$~^\\ \n\t0123456789abcxyz") + [
    "await ", "async ", "=>", "${", "import ", "export ", "from ", "class ", "function ", "let ", "const ", "yield ",
    "return ", "//", "/*", "*/", "...", "?.", "??", "enum ", "type ", "namespace ", "declare ", "@", "for (", "while (0)",
    "\u2028", "\ufeff", "\u0000", "\U0001f600", "é", "if (", "else ", "try {", "catch ", "new ", "this", "null", "void 0",
]


def cell(rng, n):
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(VALID).format(n=n % 90 + 1)
    if kind < 0.7:
        code = rng.choice(VALID).format(n=n % 90 + 1)
        for _ in range(rng.randint(1, 4)):
            at = rng.randint(0, len(code))
            code = code[:at] + rng.choice(PIECES) + code[at + rng.randint(0, 3) :]
        return code
    if kind < 0.88:
        return "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 60)))
    if kind < 0.95:
        return "".join(chr(rng.choice([rng.randrange(32), rng.randrange(256), rng.randrange(0xD800), 0xE000 + rng.randrange(0x102000)])) for _ in range(rng.randint(1, 200)))
    if kind < 0.99:
        return rng.choice(["", " ", "\n\n", "\t", "\r\n", "\u00a0"])
    return rng.choice(["1;" * 20_000, "'" + "h" * 500_000 + "'", "[" * 3000, "(" * 2000 + "1" + ")" * 2000, "x" * 100_000, "/*" + "c" * 300_000 + "*/ 1", "{" * 1500])


class Randomized(KernelCase):
    def check_alive(self, n):
        # Random code may have redeclared or broken anything but this.
        result = self.run_cell(f"const alive_{n} = {n} + 1; alive_{n}", timeout=60)
        self.assertEqual((result.status, result.value), ("ok", str(n + 1)))

    def wait_for_reply(self, msg_id, n, code):
        deadline = time.time() + 60
        while not any(reply["parent_header"].get("msg_id") == msg_id for reply in self.replies):
            self.assertLess(time.time(), deadline, f"cell {n} of seed {SEED} cannot be stopped: {code[:500]!r}")
            try:
                self.replies.append(self.kc.get_shell_msg(timeout=1))
            except Empty:
                pass

    def test_random_cells(self):
        rng = random.Random(SEED)
        print(f"seed {SEED}, {COUNT} cells", flush=True)
        counts = {}
        started = time.time()
        for n in range(COUNT):
            code = cell(rng, n)
            msg_id = self.kc.execute(code)
            try:
                result = self.wait(msg_id, timeout=20)
            except TimeoutError:
                # Random code may well loop or wait for ever; then it must stop when told to.
                self.km.interrupt_kernel()
                self.wait_for_reply(msg_id, n, code)
                self.check_alive(n)
                counts["endless"] = counts.get("endless", 0) + 1
                continue
            except Exception as error:
                raise AssertionError(f"cell {n} of seed {SEED}: {code[:500]!r}: {error!r}")
            counts[result.status] = counts.get(result.status, 0) + 1
            self.assertIn(result.status, ("ok", "error"), f"cell {n}: {code[:500]!r}")
            if result.status == "error":
                self.assertTrue(result.reply["ename"] and isinstance(result.reply["traceback"], list))
            if n % 250 == 0:
                self.assertTrue(self.km.is_alive(), f"cell {n} of seed {SEED}")
                self.check_alive(n)
                self.kc.complete(code, len(code))
                self.kc.inspect(code, len(code) // 2)
                self.kc.is_complete(code)
                for _ in range(3):
                    self.kc.get_shell_msg(timeout=20)
        self.check_alive(COUNT)
        print(f"{counts} in {time.time() - started:.0f} s")
        self.assertGreater(counts["ok"], COUNT / 4)
        self.assertGreater(counts["error"], COUNT / 4)


if __name__ == "__main__":
    import unittest

    sys.argv = sys.argv[:1]
    unittest.main(verbosity=2)
