"""The kernel behind a server's REST and websocket interface: `server.py notebook`, or `server.py kernelgateway`."""
import os
import shutil
import sys
import tempfile
import time
import unittest

from server_client import RemoteKernel, ask, free_port, has_begun_anew, of, running, shown, until

TOKEN = "of-the-test"
# Seconds; a loaded machine may take some between two requests.
IDLE = 6
CULLING = ["--MappingKernelManager.cull_interval=1", f"--MappingKernelManager.cull_idle_timeout={IDLE}"]
NOTEBOOK, GATEWAY = "notebook", "kernelgateway"
COMMANDS = {
    NOTEBOOK: lambda port: [
        *["jupyter-notebook", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"],
        f"--NotebookApp.token={TOKEN}",
    ],
    GATEWAY: lambda port: [
        *["jupyter-kernelgateway", "--KernelGatewayApp.ip=127.0.0.1", f"--KernelGatewayApp.port={port}"],
        *[f"--KernelGatewayApp.auth_token={TOKEN}", "--KernelGatewayApp.default_kernel_name=ditlab-test"],
    ],
}
SERVER = sys.argv.pop(1)


class ServerCase(unittest.TestCase):
    """A server, and kernels of its own for each test."""

    options = ()

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        port = free_port()
        cls.server = f"http://127.0.0.1:{port}"
        env = {**os.environ, "HOME": cls.folder, "JUPYTER_RUNTIME_DIR": f"{cls.folder}/runtime"}
        env["JUPYTER_CONFIG_DIR"] = f"{cls.folder}/config"
        log = f"{cls.folder}/log"
        cls.process = running(
            [*COMMANDS[SERVER](port), *cls.options], f"{cls.server}/api/kernelspecs", TOKEN, log, env=env, cwd=cls.folder
        )
        cls.process.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.process.__exit__(None, None, None)
        shutil.rmtree(cls.folder, ignore_errors=True)

    def kernel(self):
        kernel = RemoteKernel(self.server, TOKEN)
        self.addCleanup(kernel.stop)
        return kernel


class ServerTests(ServerCase):
    def test_kernelspec_is_listed(self):
        _, specs = ask(f"{self.server}/api/kernelspecs", TOKEN)
        self.assertEqual(specs["kernelspecs"]["ditlab-test"]["spec"]["language"], "typescript")

    def test_cells_share_variables_and_say_their_errors(self):
        kernel = self.kernel()
        self.assertEqual(shown(kernel.run("const six = 6; console.log('hello'); six * 7")), ("hello\n", ["42"]))
        self.assertEqual(shown(kernel.run("six + 1")), ("", ["7"]))
        (error,) = of(kernel.run('const wrong: number = "x"'), "error")
        self.assertIn("not assignable", error["evalue"])
        self.assertEqual(kernel.stop(), 204)
        self.assertEqual(kernel.model()[0], 404)

    def test_a_question_is_asked_over_the_websocket(self):
        messages = self.kernel().run('`hello ${await input("name? ")}`')
        self.assertEqual(of(messages, "input_request")[0]["prompt"], "name? ")
        self.assertEqual(shown(messages)[1], ["'hello Ada'"])

    def test_an_endless_cell_is_interrupted_and_the_kernel_goes_on(self):
        kernel = self.kernel()
        statuses = []

        def on_message(message):
            if message["msg_type"] == "stream":
                statuses.append(kernel.interrupt())

        messages = kernel.run("let kept = 1; console.log('now'); while (true);", on_message)
        self.assertEqual(statuses, [204])
        self.assertEqual(of(messages, "execute_reply")[0]["status"], "error")
        self.assertEqual(shown(kernel.run("kept"))[1], ["1"])

    def test_a_restart_forgets(self):
        kernel = self.kernel()
        kernel.run("const before = 1")
        self.assertEqual(kernel.restart(), 200)
        (error,) = of(kernel.run("before"), "error")
        self.assertIn("before", error["evalue"])

    def test_a_kernel_that_dies_is_started_again(self):
        kernel = self.kernel()
        kernel.run("const before = 1")
        kernel.run("setTimeout(() => process.kill(process.pid, 'SIGKILL'), 200)")
        time.sleep(1)
        until("a new kernel", lambda: has_begun_anew(kernel))


class CullingTests(ServerCase):
    options = CULLING

    def test_a_kernel_that_does_nothing_is_ended_and_one_that_computes_is_not(self):
        kernel = self.kernel()
        messages = kernel.run(f"await new Promise((done) => setTimeout(done, {IDLE * 1500})); 'still here'")
        self.assertEqual(shown(messages)[1], ["'still here'"])
        until("the idle kernel is gone", lambda: kernel.model()[0] == 404, IDLE * 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
