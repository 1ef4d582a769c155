"""Jupyter's own conformance suite (jupyter_kernel_test) for the kernel."""
import sys
import unittest

import jupyter_kernel_test


class DitlabKernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = "ditlab-test"
    language_name = "typescript"
    file_extension = ".ts"
    code_hello_world = 'console.log("hello, world")'
    code_stderr = 'console.error("oops")'
    completion_samples = [
        {"text": "Math.sqr", "matches": ["sqrt", "SQRT1_2", "SQRT2"]},
        {"text": "JSON.pars", "matches": ["parse"]},
    ]
    complete_code_samples = ["1 + 1", "const a = 2", "for (const x of [1]) { x }", "await (1)", "`a`"]
    incomplete_code_samples = ["function f() {", "[1,", "`a template", "/* a comment", "if (true) {\n  1;"]
    invalid_code_samples = ["let let = 1 1", "const = 2;\n1", ") + 1"]
    code_page_something = "Math.sqrt?"
    code_generate_error = 'throw new TypeError("no")'
    code_execute_result = [
        {"code": "1 + 1", "result": "2"},
        {"code": "6 * 7", "result": "42"},
        {"code": '["a"].length', "result": "1"},
        {"code": 'display.html("<b>b</b>")', "mime": "text/html", "result": "<b>b</b>"},
    ]
    code_display_data = [
        {"code": 'display("text")', "mime": "text/plain"},
        {"code": 'display(display.html("<i>i</i>"))', "mime": "text/html"},
        {"code": 'display(display.markdown("*m*"))', "mime": "text/markdown"},
        {"code": 'display(display.latex("x^2"))', "mime": "text/latex"},
        {"code": "display(display.json({ a: 1 }))", "mime": "application/json"},
        {"code": 'display(display.svg("<svg xmlns=\\"http://www.w3.org/2000/svg\\"></svg>"))', "mime": "image/svg+xml"},
    ]
    code_history_pattern = "1?*"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "Math.sqrt"
    code_clear_output = "display.clear()"


if __name__ == "__main__":
    program = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2)
    sys.exit(0 if program.result.wasSuccessful() and not program.result.skipped else 1)
