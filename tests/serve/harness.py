"""A real `fathom serve` on a tiny random model, and the plainest client for it: http.client.

Every *_test.py here is run by ctest with the binary's path in FATHOM. Checks that have a number in the
specification's list carry it in the test's name.
"""
import atexit
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FATHOM = os.environ.get("FATHOM", str(ROOT / "build/ci/fathom"))
START_S = 60


def environment():
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    return kept | {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}


def serve(*arguments, environ=None):
    """`fathom serve` run to its end, for what it refuses or prints."""
    return subprocess.run([FATHOM, "serve", *arguments], capture_output=True, text=True, timeout=60,
                          env=environment() | (environ or {}))


class Folder:
    """A temporary folder that goes when the tests do."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="fathom_serve_"))
        atexit.register(shutil.rmtree, self.path, ignore_errors=True)


_models = {}


def model(**changes):
    """The path of a random V3-shaped model; `changes` are of its config.json."""
    key = json.dumps(changes, sort_keys=True)
    if key not in _models:
        folder = Folder().path
        config = json.loads((ROOT / "configs/models/nano.json").read_text())
        # As many ids as the byte tokenizer has: a row that no token uses is never sampled.
        config.update({"num_hidden_layers": 2, "max_position_embeddings": 1024,
                       "vocab_size": 276} | changes)
        (folder / "config.json").write_text(json.dumps(config))
        subprocess.run([FATHOM, "init", "--config", str(folder / "config.json"), "--out",
                        str(folder / "tiny"), "--seed", "1"], check=True, env=environment(),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _models[key] = folder / "tiny"
    return _models[key]


class Server:
    """A running server. `settings` are --set options, `folder` is where it runs."""

    def __init__(self, path=None, settings=(), template="deepseek-v3.1", wait=True, extra=(),
                 environ=None, folder=None):
        command = ["serve", "--model", str(path or model()), "--port", "0"]
        if template:
            command += ["--chat-template", template]
        for setting in settings:
            command += ["--set", setting]
        self.launch(command + list(extra), environ, folder)
        if wait:
            self._until(lambda: self.get("/ready")[0] == 200, "the model")

    def launch(self, arguments, environ=None, folder=None):
        """Starts the command and waits until it listens."""
        self.process = subprocess.Popen([FATHOM, *arguments], env=environment() | (environ or {}), cwd=folder,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        atexit.register(self.stop)
        self.log, self.port = [], None
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        self._until(lambda: self.port, "the port")

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)
            found = re.search(r"listening on https?://[^:]+:(\d+)", line)
            if found:
                self.port = int(found[1])

    def _until(self, done, what):
        end = time.monotonic() + START_S
        while not done():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server has not got to {what}:\n" + "".join(self.log))
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    # Plain requests.

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, headers, parsed body or text)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        is_json = response.getheader("Content-Type", "").startswith("application/json")
        return response.status, response.headers, json.loads(text) if is_json and text else text.decode()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, headers=None, timeout=60):
        return self.request("POST", path, body, headers, timeout)

    def ok_get(self, path, headers=None):
        status, _, answer = self.get(path, headers)
        assert status == 200, (path, status, answer)
        return answer

    def ok(self, path, body):
        status, headers, answer = self.post(path, body)
        assert status == 200, (status, answer)
        return answer

    def chat(self, content="Hi", **fields):
        return self.ok("/v1/chat/completions", chat_body(content, **fields))

    def stream_lines(self, path, body):
        """The non-empty lines of an event stream."""
        status, headers, text = self.post(path, body | {"stream": True})
        assert status == 200, (status, text)
        assert headers["Content-Type"].startswith("text/event-stream"), headers
        return [line for line in text.split("\n") if line]

    def chunks(self, path, body):
        """The JSON events of a stream that ends as it should."""
        data = [line[6:] for line in self.stream_lines(path, body) if line.startswith("data: ")]
        assert data[-1] == "[DONE]", data[-3:]
        return [json.loads(text) for text in data[:-1]]

    def metric(self, name):
        text = self.get("/metrics")[2]
        found = re.search(rf"^fathom_{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)
        return float(found[1]) if found else None

    def raw(self, data, timeout=20):
        """Everything the server says to these bytes, until it closes or `timeout` is over."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            answer = b""
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except (socket.timeout, ConnectionResetError):
                pass
        return answer.decode()


def chat_body(content="Hi", **fields):
    return {"model": "tiny", "messages": [{"role": "user", "content": content}], "temperature": 0,
            "max_tokens": 8} | fields


def forced(text, **fields):
    """Fields under which the answer is this text."""
    return {"structured_outputs": {"choice": [text]}, "max_tokens": 400} | fields


def joined(chunks, index=0):
    """The message that chunks add up to, and its finish reason."""
    message, reason = {"content": "", "reasoning_content": ""}, None
    for chunk in chunks:
        for choice in chunk["choices"]:
            if choice["index"] != index:
                continue
            for field in ("content", "reasoning_content"):
                message[field] += choice["delta"].get(field) or ""
            reason = choice["finish_reason"] or reason
    return message, reason


def sampled_prompts(count):
    return [f"Prompt {i}: " + "word " * (i % 7) + chr(0x61 + i % 26) * (i % 5) for i in range(count)]
