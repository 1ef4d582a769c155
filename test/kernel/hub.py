"""The kernel in JupyterHub: a server of a user, a kernel in it, and the limits that end it."""
import json
import os
import shutil
import tempfile
import unittest
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

from server_client import RemoteKernel, ask, free_port, has_begun_anew, running, shown, until

TOKEN = "of-the-tests-service"
# Debian's proxy is written for Debian's Node.js, which looks for modules here.
NODE_PATH = "/usr/share/nodejs"


class HubTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        ports = [free_port() for _ in range(3)]
        cls.hub = f"http://127.0.0.1:{ports[1]}"
        env = {**os.environ, "NODE_PATH": NODE_PATH, "DITLAB_TEST_FOLDER": cls.folder, "DITLAB_TEST_TOKEN": TOKEN}
        env["DITLAB_TEST_PORTS"] = " ".join(map(str, ports))
        config = Path(__file__).with_name("hub_config.py")
        command = ["/usr/bin/jupyterhub", "--config", str(config)]
        cls.process = running(
            command, f"{cls.hub}/hub/api/", TOKEN, f"{cls.folder}/log", env=env, cwd=cls.folder
        )
        cls.process.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.process.__exit__(None, None, None)
        shutil.rmtree(cls.folder, ignore_errors=True)

    def ask(self, path, method="GET", body=None):
        return ask(f"{self.hub}/hub/api/{path}", TOKEN, method, body)

    def is_ready(self, user):
        return self.ask(f"users/{user}")[1]["servers"].get("", {}).get("ready")

    def server_of(self, user):
        """Starts the server of a new user."""
        self.assertEqual(self.ask(f"users/{user}", "POST")[0], 201)
        self.assertIn(self.ask(f"users/{user}/server", "POST")[0], (201, 202))
        until(f"the server of {user}", lambda: self.is_ready(user))
        return f"{self.hub}/user/{user}"

    def test_who_logs_in_gets_a_server_with_the_kernel(self):
        opener = build_opener(HTTPCookieProcessor(CookieJar()))
        opener.open(f"{self.hub}/hub/login").read()
        form = urlencode({"username": "grace", "password": "of-the-test"}).encode()
        opener.open(f"{self.hub}/hub/login?next=/hub/spawn", form).read()
        until("the server of grace", lambda: self.is_ready("grace"))
        # The first page asks the hub who this is, for the server's own cookie.
        opener.open(f"{self.hub}/user/grace/tree").read()
        specs = json.load(opener.open(f"{self.hub}/user/grace/api/kernelspecs"))
        self.assertIn("ditlab-test", specs["kernelspecs"])

    def test_a_cell_runs_in_the_home_of_the_user(self):
        kernel = RemoteKernel(self.server_of("ada"), TOKEN)
        messages = kernel.run("console.log(process.cwd()); const answer: number = 6 * 7; answer")
        self.assertEqual(shown(messages), (f"{self.folder}/ada\n", ["42"]))
        self.assertEqual(kernel.stop(), 204)

    def test_a_kernel_that_takes_too_much_memory_is_started_again(self):
        kernel = RemoteKernel(self.server_of("greedy"), TOKEN)
        kernel.run("let before = 1")
        kernel.run("setTimeout(() => { const all = []; while (true) all.push([...Array(1e5).keys()]); }, 100)")
        until("a new kernel", lambda: has_begun_anew(kernel))
        self.assertIn("heap out of memory", Path(self.folder, "log").read_text())

    def test_a_kernel_that_does_nothing_is_ended(self):
        kernel = RemoteKernel(self.server_of("away"), TOKEN)
        kernel.run("1")
        until("the idle kernel is gone", lambda: kernel.model()[0] == 404)


if __name__ == "__main__":
    unittest.main(verbosity=2)
