"""The kernel in QtConsole, in a window that nobody sees."""
import os
import time
import unittest

os.environ["QT_QPA_PLATFORM"] = "offscreen"
from qtconsole.manager import QtKernelManager  # noqa: E402
from qtconsole.rich_jupyter_widget import RichJupyterWidget  # noqa: E402
from qtpy.QtCore import Qt  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402
from qtpy.QtWidgets import QApplication  # noqa: E402

SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
# What stands in a text for a picture.
PICTURE = "\ufffc"


class QtConsoleTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.app = QApplication([])
        cls.manager = QtKernelManager(kernel_name="ditlab-test")
        cls.manager.start_kernel()
        cls.client = cls.manager.client()
        cls.client.start_channels()
        cls.window = RichJupyterWidget()
        cls.window.kernel_manager, cls.window.kernel_client = cls.manager, cls.client

    @classmethod
    def tearDownClass(cls):
        cls.client.stop_channels()
        cls.manager.shutdown_kernel(now=True)

    def until(self, text, seconds=60):
        """Waits until the window's end, from the cell that was run last, has a text."""
        ends = time.time() + seconds
        while text not in (shown := self.window._control.toPlainText()[self.begun :]):
            self.assertLess(time.time(), ends, f"{text!r} expected, got {shown!r}")
            QTest.qWait(20)

    def setUp(self):
        self.begun = 0
        self.until("In [")

    def run_cell(self, code, *texts):
        self.begun = len(self.window._control.toPlainText())
        self.window.execute(code)
        for text in texts:
            self.until(text)
        self.until("\nIn [")

    def test_values_errors_and_pictures(self):
        self.run_cell("6 * 7", "42")
        self.run_cell('const wrong: number = "x"', "error TS2322")
        self.run_cell(f"display(display.svg(`{SQUARE}`))", PICTURE)

    def test_a_question_is_answered_in_the_window(self):
        self.begun = len(self.window._control.toPlainText())
        self.window.execute('`hello ${await input("name? ")}`')
        self.until("\nname? ")
        QTest.keyClicks(self.window._control, "Ada")
        QTest.keyClick(self.window._control, Qt.Key_Return)
        self.until("'hello Ada'")
        self.until("\nIn [")

    def test_an_endless_cell_is_interrupted(self):
        self.begun = len(self.window._control.toPlainText())
        self.window.execute("const kept = 41; console.log('now' + 1); while (true);")
        self.until("now1")
        self.window.request_interrupt_kernel()
        self.until("KeyboardInterrupt: the cell was interrupted")
        self.until("\nIn [")
        self.run_cell("kept + 1", "42")


if __name__ == "__main__":
    unittest.main(verbosity=2)
