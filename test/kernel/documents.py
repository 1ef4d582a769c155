"""Notebooks executed by nbclient and exported by nbconvert, as Jupyter's own tools do it."""
import unittest

import nbformat
from client import main
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def notebook(*sources):
    spec = {"name": "ditlab-test", "display_name": "TypeScript", "language": "typescript"}
    cells = [new_markdown_cell("# Title"), *[new_code_cell(source) for source in sources]]
    return new_notebook(cells=cells, metadata={"kernelspec": spec})


class Documents(unittest.TestCase):
    def execute(self, *sources, **options):
        document = notebook(*sources)
        NotebookClient(document, kernel_name="ditlab-test", timeout=120, **options).execute()
        nbformat.validate(document)
        return document

    def test_cells_get_their_outputs_and_counts(self):
        document = self.execute("let a = 20; console.log('printed')", "await Promise.resolve(a + 22)", "[{ x: 1 }]")
        first, second, third = document.cells[1:]
        self.assertEqual([c.execution_count for c in document.cells[1:]], [1, 2, 3])
        self.assertEqual(first.outputs[0].text, "printed\n")
        self.assertEqual(second.outputs[0].data["text/plain"], "42")
        self.assertIn("<table", third.outputs[0].data["text/html"])

    def test_a_failing_cell_stops_the_run(self):
        with self.assertRaisesRegex(CellExecutionError, "RangeError: far"):
            self.execute("throw new RangeError('far')", "1")

    def test_errors_can_be_allowed(self):
        document = self.execute("const n: number = 'text'", "throw new Error('e')", "1 + 1", allow_errors=True)
        names = [c.outputs[0].get("ename") for c in document.cells[1:3]]
        self.assertEqual(names, ["TypeScriptError", "Error"])
        self.assertEqual(document.cells[3].outputs[0].data["text/plain"], "2")

    def test_a_cell_over_its_time_is_interrupted(self):
        document = notebook("while (true);", "1 + 1")
        client = NotebookClient(document, kernel_name="ditlab-test", timeout=2, interrupt_on_timeout=True)
        try:
            client.execute()
        except (CellTimeoutError, CellExecutionError):
            pass
        self.assertEqual(document.cells[1].outputs[0].ename, "KeyboardInterrupt")

    def test_bars_and_displays_are_updated_in_the_document(self):
        document = self.execute("for (const i of progress([1, 2, 3]));", "const d = display('a'); d.update('b'); 0")
        self.assertEqual(len(document.cells[1].outputs), 1)
        self.assertIn("3 / 3", document.cells[1].outputs[0].data["text/plain"])
        self.assertEqual(document.cells[2].outputs[0].data["text/plain"], "b")

    def test_widgets_are_kept_as_nbclient_gathers_them(self):
        document = self.execute(
            "const s = ui.slider({ label: 'noise', value: 0.5 }); s",
            "s.value = 0.75; ui.interact({ s }, ({ s }) => `at ${s}`)",
        )
        kept = document.metadata.widgets["application/vnd.jupyter.widget-state+json"].state
        view = document.cells[1].outputs[0].data["application/vnd.jupyter.widget-view+json"]
        box = kept[view.model_id].state
        slider = kept[box.children[0].removeprefix("IPY_MODEL_")]
        self.assertEqual((slider.model_name, slider.state.value), ("FloatSliderModel", 0.75))
        self.assertIn("at 0.75", str(kept))
        page, _ = HTMLExporter().from_notebook_node(document)
        self.assertIn("application/vnd.jupyter.widget-state+json", page)

    def test_exported_pages_hold_their_figures(self):
        page, _ = HTMLExporter().from_notebook_node(self.execute("display.plot([{ y: [1, 2] }])"))
        self.assertIn("__ditlabPlotly", page)
        self.assertGreater(len(page), 1_000_000)


if __name__ == "__main__":
    main()
