"""The language of cells."""
import os
import tempfile
import time

from client import KernelCase, main

PROJECT = tempfile.mkdtemp()
FOLDER = os.path.join(PROJECT, "notebooks")


def write(path, text):
    path = os.path.join(PROJECT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    # Edits are told by the time of the change.
    os.utime(path, (time.time() + write.count, time.time() + write.count))
    write.count += 5


write.count = 0
write("package.json", '{"name": "project", "private": true}')
write("notebooks/near.ts", 'import { deep } from "./deep.js";\nexport const near = (): string => "near " + deep;\nexport interface Shape { sides: number }\n')
write("notebooks/deep.ts", "export const deep: number = await Promise.resolve(1);\n")
write("notebooks/data.json", '{"list": [1, 2]}')
write("notebooks/fails.ts", "export function fails(): never {\n  throw new RangeError('inside');\n}\n")
write("notebooks/broken.ts", "export const = 3;\n")
write("notebooks/one.ts", 'import { two } from "./two.ts";\nexport const one = 1;\nexport const sum = () => one + two();\n')
write("notebooks/two.ts", 'import { one } from "./one.ts";\nexport const two = () => one + 1;\n')
write("notebooks/plain.cjs", "exports.plain = 'cjs'; exports.again = function () { return 2 };")
write("notebooks/plain.d.cts", "export const plain: string; export function again(): number;")
write("src/rooted.ts", "export const rooted = 'from the project';\n")
esm = "node_modules/esm-only"
write(f"{esm}/package.json", '{"name": "esm-only", "type": "module", "exports": {".": {"types": "./types/index.d.ts", "import": "./index.js"}, "./sub": {"types": "./types/sub.d.ts", "default": "./sub.js"}}}')
write(f"{esm}/index.js", "const value = await Promise.resolve('esm');\nexport { value };\nexport default function greet() { return 'default ' + value; }\n")
write(f"{esm}/sub.js", "export const sub = [1, 2, 3];\n")
write(f"{esm}/types/index.d.ts", "export const value: 'esm';\nexport default function greet(): string;\n")
write(f"{esm}/types/sub.d.ts", "export const sub: number[];\n")
cjs = "node_modules/cjs-only"
write(f"{cjs}/package.json", '{"name": "cjs-only", "main": "main.js", "types": "main.d.ts"}')
write(f"{cjs}/main.js", "function make() { return 'made'; }\nmake.extra = 5;\nmodule.exports = make;\n")
write(f"{cjs}/main.d.ts", "declare function make(): string;\ndeclare namespace make { const extra: number }\nexport = make;\n")


class Language(KernelCase):
    cwd = FOLDER

    def test_top_level_await_in_every_position(self):
        for code, expected in [
            ("const a1 = await Promise.resolve(3); a1", "3"),
            ("await (Promise.resolve(4))", "4"),
            ("[await Promise.resolve(1), ...(await Promise.resolve([2]))]", "[ 1, 2 ]"),
            ("let total = 0; for await (const x of [Promise.resolve(1), 2]) total += x; total", "3"),
            ("for (const x of await Promise.resolve([5])) total = x; total", "5"),
            ("if (await Promise.resolve(true)) total = 7; total", "7"),
            ("const { p, q: [r] } = await Promise.resolve({ p: 1, q: [2] }); p + r", "3"),
            ("`${await Promise.resolve('t')}` === 't'", "true"),
            ("(await Promise.resolve({ f: () => 9 })).f()", "9"),
            ("try { await Promise.reject(new Error('e')) } catch (e) { total = 11 } total", "11"),
            ("const o1 = { [await Promise.resolve('k')]: 1 }; o1.k", "1"),
            ("await Promise.resolve(1) + await Promise.resolve(2)", "3"),
            ("switch (await Promise.resolve(2)) { case 2: total = 13 } total", "13"),
            ("while (await Promise.resolve(total < 15)) total++; total", "15"),
        ]:
            with self.subTest(code=code):
                self.check(code, expected)

    def test_redeclaring_across_cells(self):
        for first, second, expected in [
            ("let r1 = 1", 'let r1 = "s"; r1.length', "1"),
            ("const r2 = 1", "const r2 = [1, 2]; r2.length", "2"),
            ("class R3 { a = 1 }", "class R3 { b = 2 }; new R3().b", "2"),
            ("function r4() { return 1 }", "function r4(n: number) { return n }; r4(6)", "6"),
            ("interface R5 { a: number }", "interface R5 { b: string }; ({ b: 'x' } satisfies R5).b.length", "1"),
            ("enum R6 { A }", "enum R6 { B = 4 }; R6.B", "4"),
            ("const r7 = 1", "function r7() { return 8 }; r7()", "8"),
        ]:
            with self.subTest(code=second):
                self.check(first)
                self.check(second, expected)

    def test_a_variable_is_one_variable_in_all_cells(self):
        self.check("let shared = 1; function bump() { return ++shared }")
        self.check("bump(); shared", "2")
        self.check("shared = 10; bump()", "11")
        self.check("const s1 = { shared }; s1.shared", "11")
        self.check("({ shared } = { shared: 5 }); bump()", "6")
        self.check("[shared] = [20]; bump()", "21")
        self.check("let [u1, { v1 = 3 }] = [1, {} as { v1?: number }]; const grow = () => u1 + v1;")
        self.check("u1 = 5; grow()", "8")

    def test_variables_survive_a_failing_cell(self):
        self.fail_with("let early = 5; throw new Error('half-way')", "Error")
        self.check("early", "5")

    def test_modern_syntax(self):
        for code, expected in [
            ("const n1: number | undefined = undefined; n1 ?? 3", "3"),
            ("function id<const T extends readonly unknown[]>(x: T) { return x }; id([1, 2]).length", "2"),
            ("const c1 = { a: 1 } satisfies Record<string, number>; c1.a", "1"),
            ("let log1 = ''; { using d = { [Symbol.dispose]() { log1 = 'disposed' } } } log1.length", "8"),
            ("class P1 { #x = 4; static { } get x() { return this.#x } accessor y = 2 }; new P1().x + new P1().y", "6"),
            ("export const exported = 3; exported", "3"),
            ("type Id<T> = T extends infer U ? U : never; const t1: Id<5> = 5; t1", "5"),
            ("new Float32Array(2).fill(1) satisfies Float32Array<ArrayBuffer>; [3, 1].toSorted()[0]", "1"),
            ("declare global { interface Array<T> { lastOne?: T } }; [1].lastOne === undefined", "true"),
            ("namespace N1 { export const inner = 6 }; N1.inner", "6"),
        ]:
            with self.subTest(code=code):
                self.check(code, expected)

    def test_imports_of_every_kind(self):
        for code, expected in [
            ('import greet, { value } from "esm-only"; greet() + value', "default esmesm"),
            ('import { sub } from "esm-only/sub"; sub.length', "3"),
            ('import * as esm from "esm-only"; Object.keys(esm).sort().join()', "default,value"),
            ('import make from "cjs-only"; make() + make.extra', "made5"),
            ('import data from "./data.json"; data.list[1]', "2"),
            ('import { plain, again } from "./plain.cjs"; plain + again()', "cjs2"),
            ('import { near, type Shape } from "./near.ts"; const sh: Shape = { sides: 3 }; near() + sh.sides', "near 13"),
            ('import { near as near2 } from "./near"; near2()', "near 1"),
            ('import { rooted } from "./src/rooted.ts"; rooted', "from the project"),
            ('import { sum } from "./one.ts"; sum()', "3"),
            ('import { join } from "node:path"; import fs from "fs"; join("a", "b") + typeof fs.statSync', "a/bfunction"),
            ('const dynamic = await import("esm-only"); dynamic.value', "esm"),
            ('(await import("./near.ts")).near()', "near 1"),
            ('(await import("cjs-only")).default.extra', "5"),
        ]:
            with self.subTest(code=code):
                value = self.check(code).value
                self.assertEqual(value.strip("'\""), expected)

    def test_edits_of_local_files_are_picked_up(self):
        write("notebooks/edited.ts", 'import { part } from "./part.ts";\nexport const whole = part + 1;\n')
        write("notebooks/part.ts", "export const part = 1;\n")
        self.check('import { whole } from "./edited.ts"; whole', "2")
        write("notebooks/part.ts", "export const part = 10;\n")
        self.check('import { whole } from "./edited.ts"; whole', "11")
        write("notebooks/edited.ts", "export const whole = 'text now';\n")
        self.check('import { whole } from "./edited.ts"; whole.length', "8")
        write("notebooks/data2.json", '{"v": 1}')
        self.check('import data2 from "./data2.json"; data2.v', "1")
        write("notebooks/data2.json", '{"v": 2}')
        self.check('import data2 from "./data2.json"; data2.v', "2")

    def test_a_package_installed_meanwhile_is_found(self):
        self.assertIn("TS2307", self.fail_with('import later from "later"', "TypeScriptError"))
        write("node_modules/later/package.json", '{"name": "later", "type": "module", "exports": "./index.js", "types": "./index.d.ts"}')
        write("node_modules/later/index.js", "export default 12;\n")
        write("node_modules/later/index.d.ts", "declare const later: number;\nexport default later;\n")
        self.check('import later from "later"; later', "12")

    def test_type_errors_have_line_column_and_caret(self):
        text = self.fail_with('const fine = 1;\nconst wrong: number = "text";', "TypeScriptError")
        self.assertRegex(text, r"cell\[\d+\]:2:7 - error TS2322: Type 'string' is not assignable to type 'number'")
        self.assertIn('2 const wrong: number = "text";\n        ~~~~~', text)
        self.assertIn("TS7006", self.fail_with("function loose(x) { return x }", "TypeScriptError"))
        self.assertIn("TS18047", self.fail_with("const maybe: string | null = JSON.parse('null') as string | null;\nmaybe.length", "TypeScriptError"))
        self.assertIn("TS2304", self.fail_with("notDefinedAnywhere", "TypeScriptError"))
        self.assertIn("TS1005", self.fail_with("f(1", "TypeScriptError"))
        # A type error runs nothing.
        self.check("let untouched = 1")
        self.fail_with("untouched = 2; const z: string = 1", "TypeScriptError")
        self.check("untouched", "1")

    def test_stacks_name_the_cells_source_and_nothing_of_the_kernel(self):
        text = self.fail_with(
            "interface Wide {\n  a: number;\n}\nfunction inner(w: Wide) {\n  return (null as any).a + w.a;\n}\n\ninner({ a: 1 });",
            "TypeError",
        )
        self.assertRegex(text, r"at inner \(cell\[\d+\]:5:24\)\n    at cell\[\d+\]:8:1\n")
        self.assertIn("> 5 |   return (null as any).a + w.a;", text)
        for hidden in ["tslab", "dist/kernel", "node:internal", "node:vm"]:
            self.assertNotIn(hidden, text)

    def test_asynchronous_stacks_lead_back_to_the_cell(self):
        text = self.fail_with(
            "const step = async () => {\n  await null;\n  throw new SyntaxError('later');\n};\nawait step();", "SyntaxError"
        )
        self.assertRegex(text, r"at step \(cell\[\d+\]:3:9\)\n    at async cell\[\d+\]:5:1")

    def test_stacks_name_lines_of_local_modules_and_earlier_cells(self):
        text = self.fail_with('import { fails } from "./fails.ts"; fails()', "RangeError")
        self.assertRegex(text, r"at fails \(.*/notebooks/fails\.ts:2:9\)")
        self.check("function earlier() {\n\n  throw new Error('from an earlier cell');\n}")
        text = self.fail_with("earlier()", "Error")
        self.assertRegex(text, r"at earlier \(cell\[\d+\]:3:9\)\n    at cell\[\d+\]:1:\d+")

    def test_syntax_errors_of_local_modules_are_told(self):
        text = self.fail_with('const b1 = await import("./broken.ts")', "TypeScriptError")
        self.assertIn("broken.ts", text)

    def test_type_errors_of_local_modules_are_warnings(self):
        write("notebooks/loose.ts", "export const loose: number = 'text';\n")
        result = self.check('import { loose } from "./loose.ts"; loose', "'text'")
        self.assertIn("loose.ts", result.text("stderr"))
        self.assertIn("TS2322", result.text("stderr"))
        self.assertEqual(self.check('import { loose as again } from "./loose.ts"; again').text("stderr"), "")

    def test_notebooks_for_tslabs_own_kernel_show_their_values(self):
        result = self.check('import * as tslab from "tslab"; tslab.display.html("<b>old</b>"); 1')
        self.assertEqual(result.of("display_data")[0]["data"]["text/html"], "<b>old</b>")

    def test_errors_that_are_no_errors(self):
        self.fail_with("throw 5", "Thrown")
        self.fail_with("throw null", "Thrown")
        self.fail_with("throw { toString() { throw 1 } }", "Thrown")
        text = self.fail_with('throw new Error("outer", { cause: new TypeError("inner") })', "Error")
        self.assertIn("Caused by TypeError: inner", text)

    def test_process_exit_does_not_end_the_kernel(self):
        self.assertIn("restart it", self.fail_with("process.exit(3)", "Error"))
        self.check("1", "1")


if __name__ == "__main__":
    main()
