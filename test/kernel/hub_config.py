"""The configuration of the tests' hub: anybody's name, one password, servers as processes of this user."""
import os

folder = os.environ["DITLAB_TEST_FOLDER"]
hub_port, port, proxy_port = os.environ["DITLAB_TEST_PORTS"].split()
c = get_config()  # noqa: F821, which the hub gives
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.pid_file = f"{folder}/proxy.pid"
c.JupyterHub.db_url = f"sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = f"{folder}/cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "of-the-test"
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = folder + "/{username}"
c.Spawner.args = ["--allow-root", "--MappingKernelManager.cull_interval=1"]
c.Spawner.args += ["--MappingKernelManager.cull_idle_timeout=10"]
# What a V8 heap may have, in MB. A kernel that would have more ends, and its server starts another.
c.Spawner.environment = {"JUPYTER_PATH": os.environ["JUPYTER_PATH"], "NODE_OPTIONS": "--max-old-space-size=400"}
c.JupyterHub.services = [{"name": "test", "api_token": os.environ["DITLAB_TEST_TOKEN"]}]
scopes = ["admin:users", "admin:servers", "access:servers"]
c.JupyterHub.load_roles = [{"name": "test", "services": ["test"], "scopes": scopes}]
