"""Kernels behind a server: its REST interface, and a kernel's channels over its websocket."""
import asyncio
import json
import socket
import subprocess
import time
import uuid
from contextlib import contextmanager
from datetime import datetime, timezone
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(address, token, method="GET", body=None):
    """Asks a server; returns the status, and what it said in JSON."""
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(address, data, headers, method=method), timeout=30) as answer:
            text, status = answer.read(), answer.status
    except HTTPError as error:
        text, status = error.read(), error.code
    return status, json.loads(text) if text.startswith((b"{", b"[")) else text.decode()


def until(what, condition, seconds=60):
    """Waits until a condition holds; returns what it gave."""
    ends = time.time() + seconds
    while time.time() < ends:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise TimeoutError(f"{what}: not within {seconds} s")


@contextmanager
def running(command, address, token, log, **options):
    """A server's process, from when it answers until it has ended."""
    with open(log, "w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, **options)

    def answers():
        if process.poll() is not None:
            with open(log) as said:
                raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said.read()[-3000:]}")
        try:
            return ask(address, token)[0] == 200
        except (URLError, ConnectionError):
            return False

    try:
        until(f"{command[0]} answers", answers)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class RemoteKernel:
    """A kernel that a server started. What is written to it goes through the server's websocket."""

    def __init__(self, server, token, name="ditlab-test"):
        self.server, self.token = server, token
        status, model = ask(f"{server}/api/kernels", token, "POST", {"name": name})
        if status != 201:
            raise RuntimeError(f"no kernel: {status} {model}")
        self.id = model["id"]
        self.address = f"{server}/api/kernels/{self.id}"

    def model(self):
        return ask(self.address, self.token)

    def interrupt(self):
        return ask(f"{self.address}/interrupt", self.token, "POST")[0]

    def restart(self):
        return ask(f"{self.address}/restart", self.token, "POST")[0]

    def stop(self):
        return ask(self.address, self.token, "DELETE")[0]

    def run(self, code, on_message=None, seconds=60):
        """Runs a cell; returns the messages that answer it, its reply included."""
        return asyncio.run(asyncio.wait_for(self._run(code, on_message), seconds))

    async def _run(self, code, on_message):
        address = f"{self.address.replace('http', 'ws', 1)}/channels?session_id={uuid.uuid4().hex}"
        request = HTTPRequest(address, headers={"Authorization": f"token {self.token}"})
        channels = await websocket_connect(request)
        header = {
            "msg_id": uuid.uuid4().hex,
            "msg_type": "execute_request",
            "username": "test",
            "session": uuid.uuid4().hex,
            "date": datetime.now(timezone.utc).isoformat(),
            "version": "5.3",
        }
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        content.update(allow_stdin=True, stop_on_error=True)
        sent = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
        answers, replied, idle = [], False, False
        try:
            await channels.write_message(json.dumps({**sent, "buffers": []}))
            while not (replied and idle):
                text = await channels.read_message()
                if text is None:
                    raise ConnectionError(f"the server closed the channels; so far: {answers}")
                message = json.loads(text)
                if message["parent_header"].get("msg_id") != header["msg_id"]:
                    continue
                answers.append(message)
                replied = replied or message["msg_type"] == "execute_reply"
                idle = idle or message["content"].get("execution_state") == "idle"
                if message["msg_type"] == "input_request":
                    reply = {**header, "msg_id": uuid.uuid4().hex, "msg_type": "input_reply"}
                    answer = {**sent, "channel": "stdin", "header": reply, "parent_header": message["header"]}
                    answer["content"] = {"value": "Ada"}
                    await channels.write_message(json.dumps({**answer, "buffers": []}))
                if on_message:
                    on_message(message)
        finally:
            channels.close()
        return answers


def of(messages, kind):
    return [message["content"] for message in messages if message["msg_type"] == kind]


def shown(messages):
    """What a cell printed, and its value."""
    printed = "".join(content["text"] for content in of(messages, "stream"))
    return printed, [content["data"]["text/plain"] for content in of(messages, "execute_result")]


def has_begun_anew(kernel):
    """Whether a kernel that had a variable `before` answers, and knows nothing of it."""
    try:
        messages = kernel.run("before", seconds=5)
    except (ConnectionError, asyncio.TimeoutError):
        return False  # Nobody answers what a kernel was asked that has died.
    return any("before" in error["evalue"] for error in of(messages, "error"))
