"""A kernel and Jupyter's client for it, with what the tests ask of them."""
import time
import unittest
from queue import Empty

from jupyter_client.manager import start_new_kernel


class Result:
    """What one cell gave: its reply, the messages with its parent, and how long it took in seconds."""

    def __init__(self, reply, messages, seconds):
        self.reply = reply
        self.messages = messages
        self.seconds = seconds
        self.status = reply["status"]

    def of(self, kind):
        return [m["content"] for m in self.messages if m["msg_type"] == kind]

    def text(self, name="stdout"):
        return "".join(c["text"] for c in self.of("stream") if c["name"] == name)

    @property
    def value(self):
        results = self.of("execute_result")
        return results[0]["data"]["text/plain"] if results else None


class KernelCase(unittest.TestCase):
    cwd = None

    @classmethod
    def setUpClass(cls):
        cls.km, cls.kc = start_new_kernel(kernel_name="ditlab-test", startup_timeout=60, cwd=cls.cwd)

    @classmethod
    def tearDownClass(cls):
        cls.kc.stop_channels()
        cls.km.shutdown_kernel(now=True)

    def wait(self, msg_id, timeout=60, on_message=None):
        """Waits for the reply to, and the end of, a cell that was sent."""
        started = time.time()
        messages, reply, idle = [], None, False
        while not (reply and idle):
            if time.time() - started > timeout:
                raise TimeoutError(f"the cell did not end within {timeout} s; so far: {str(messages)[-500:]}")
            try:
                message = self.kc.get_iopub_msg(timeout=0.05 if not idle else 0)
                if message["parent_header"].get("msg_id") == msg_id:
                    messages.append(message)
                    idle = idle or message["content"].get("execution_state") == "idle"
                else:
                    self.strays.append(message)
                if on_message:
                    on_message(message)
            except Empty:
                if on_message:
                    on_message(None)
            try:
                answer = self.kc.get_shell_msg(timeout=0.05 if idle else 0)
                if answer["parent_header"].get("msg_id") == msg_id:
                    reply = answer["content"]
                else:
                    self.replies.append(answer)
            except Empty:
                pass
        return Result(reply, messages, time.time() - started)

    def setUp(self):
        self.strays = []
        self.replies = []

    def run_cell(self, code, timeout=60, on_message=None, **options):
        return self.wait(self.kc.execute(code, **options), timeout, on_message)

    def check(self, code, expected=None, **options):
        """Runs a cell that must succeed."""
        result = self.run_cell(code, **options)
        self.assertEqual(result.status, "ok", str(result.reply)[:2000])
        if expected is not None:
            self.assertEqual(result.value, expected)
        return result

    def fail_with(self, code, ename, **options):
        """Runs a cell that must fail with an error of a name; returns its traceback as text, without colours."""
        import re

        result = self.run_cell(code, **options)
        self.assertEqual(result.status, "error")
        self.assertEqual(result.reply["ename"], ename, str(result.reply)[:2000])
        self.assertEqual(result.of("error")[0]["traceback"], result.reply["traceback"])
        return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(result.reply["traceback"]))


def main():
    unittest.main(verbosity=2)
