"""The kernel in `jupyter console`, on a terminal."""
import os
import re
import shutil
import tempfile
import unittest

import pexpect

# Lines, without an editor that draws them anew.
OPTIONS = ["simple_prompt=True"]
CTRL_D = "\x04"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class ConsoleTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        env = {**os.environ, "HOME": folder, "TERM": "dumb", "JUPYTER_CONFIG_DIR": folder}
        arguments = ["--kernel", "ditlab-test", *[f"--ZMQTerminalInteractiveShell.{each}" for each in OPTIONS]]
        self.console = pexpect.spawn(
            "/usr/bin/jupyter-console", arguments, env=env, cwd=folder, encoding="utf8", timeout=60
        )
        self.addCleanup(self.console.close, True)
        self.unread = ""
        self.expect(r"ditlab .*: TypeScript .* on Node")
        self.prompt()

    def expect(self, pattern):
        """Reads until what is read, without its colours, has what the pattern says."""
        while not (found := re.search(pattern, COLOURS.sub("", self.unread))):
            try:
                self.unread += self.console.read_nonblocking(10_000, 60)
            except (pexpect.TIMEOUT, pexpect.EOF) as error:
                raise AssertionError(f"{pattern} expected, got {self.unread!r}") from error
        self.unread = COLOURS.sub("", self.unread)[found.end() :]

    def prompt(self):
        self.expect(r"In \[\d+\]: ")

    def test_values_and_errors(self):
        self.console.sendline("6 * 7")
        self.expect(r"Out\[1\]: 42\r")
        self.prompt()
        self.console.sendline('const wrong: number = "x"')
        self.expect("error TS2322: .*not assignable")
        self.prompt()

    def test_a_question_is_answered_on_the_terminal(self):
        self.console.sendline('`hello ${await input("name? ")}`')
        self.expect(r"\r\nname\? ")
        self.console.sendline("Ada")
        self.expect("'hello Ada'")

    def test_control_c_ends_the_cell_and_not_the_kernel(self):
        self.console.sendline("const kept = 41; console.log('now' + 1); while (true);")
        self.expect("now1")
        self.console.sendintr()
        self.expect("KeyboardInterrupt: the cell was interrupted")
        self.prompt()
        self.console.sendline("kept + 1")
        self.expect(r"Out\[2\]: 42\r")

    def test_control_d_ends_it(self):
        self.console.send(CTRL_D)
        self.expect("exit")
        self.console.sendline("y")
        self.console.expect(pexpect.EOF)


if __name__ == "__main__":
    unittest.main(verbosity=2)
