"""nginx and Caddy before a real server, by the examples in packaging/proxy: streams come as they are made."""
import http.client
import json
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import time
import unittest

import harness
from harness import chat_body

PATH = "/v1/chat/completions"
NAME = "llm.example.org"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Proxy:
    """What both must do. A subclass has start(), which gives a connection's maker."""

    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(settings=[f'server.allowed_hosts=["{NAME}"]', "server.keep_alive_s=0.2"],
                                    path=harness.model(max_position_embeddings=65536))
        cls.folder = harness.Folder().path
        cls.port = free_port()
        cls.process = cls.start()
        cls.addClassCleanup(cls.stop)
        end = time.monotonic() + 20
        while True:
            try:
                cls.ask("GET", "/live")
                break
            except OSError:
                if cls.process.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.05)

    @classmethod
    def stop(cls):
        cls.process.terminate()
        cls.process.wait(10)
        cls.process.stderr.close()

    @classmethod
    def send(cls, method, path, body=None):
        connection = cls.connect()
        connection.request(method, path, body and json.dumps(body),
                           {"Host": NAME, "Content-Type": "application/json"})
        return connection, connection.getresponse()

    @classmethod
    def ask(cls, method, path, body=None):
        connection, response = cls.send(method, path, body)
        text = response.read().decode()
        connection.close()
        return response.status, text

    def until_open(self, count):
        end = time.monotonic() + 10
        while self.server.metric("num_requests_open") != count and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(self.server.metric("num_requests_open"), count)

    def test_an_answer_comes_through(self):
        status, text = self.ask("POST", PATH, chat_body())
        self.assertEqual(status, 200)
        self.assertEqual(json.loads(text)["choices"][0]["finish_reason"], "length")
        self.assertEqual(self.ask("GET", "/")[0], 200)

    def test_a_stream_is_sent_on_as_it_comes_and_ends_with_its_client(self):
        connection, response = self.send("POST", PATH, chat_body(max_tokens=60000, ignore_eos=True, stream=True))
        got = b""
        while got.count(b"data: ") < 20:
            got += response.readline()
        self.assertEqual(self.server.metric("num_requests_open"), 1, "it came before the answer's end")
        response.close()
        connection.close()
        self.until_open(0)

    def test_the_operators_paths_are_shut(self):
        for path in ("/metrics", "/v1/metrics", "/beta/v1/metrics", "/anthropic/metrics/", "/admin",
                     "/admin/usage", "/v1/admin/keys", "/metrics?x=1"):
            status, text = self.ask("GET", path)
            self.assertEqual(status, 403, path)
            self.assertNotIn("fathom_", text)
        self.assertEqual(self.ask("GET", "/v1/models")[0], 200)

    def test_a_body_above_the_limit(self):
        connection = self.connect()
        try:
            connection.request("POST", PATH, b"x" * (33 << 20), {"Host": NAME, "Content-Type": "application/json"})
        except ConnectionError:
            pass  # nobody reads it to its end
        try:
            status = connection.getresponse().status
        except ConnectionError:
            status = 413  # it was told while we were still sending
        self.assertEqual(status, 413)
        connection.close()


@unittest.skipUnless(shutil.which("nginx") and shutil.which("openssl"), "nginx or openssl is not installed")
class Nginx(Proxy, unittest.TestCase):
    @classmethod
    def start(cls):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", f"/CN={NAME}", "-keyout", "privkey.pem", "-out", "fullchain.pem"],
                       cwd=cls.folder, check=True, capture_output=True)
        site = (harness.ROOT / "packaging/proxy/nginx.conf").read_text()
        site = site.replace(f"/etc/letsencrypt/live/{NAME}", str(cls.folder))
        site = site.replace("127.0.0.1:8080", f"127.0.0.1:{cls.server.port}")
        site = site.replace("listen 443", f"listen 127.0.0.1:{cls.port}")
        site = re.sub(r".*listen \[::\]:443.*\n", "", site)
        site = re.sub(r".*allow (127\.0\.0\.1|::1);\n", "", site)  # we are on that machine
        folders = "".join(f"{kind}_temp_path {cls.folder}/{kind};" for kind in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = cls.folder / "nginx.conf"
        config.write_text(f"daemon off; pid {cls.folder}/pid; error_log stderr; worker_processes 1;\n"
                          f"events {{}}\nhttp {{ access_log off; {folders}\n{site}\n}}\n")
        checked = subprocess.run(["nginx", "-t", "-p", str(cls.folder), "-c", str(config), "-e", "stderr"],
                                 capture_output=True, text=True, timeout=60)
        assert checked.returncode == 0, checked.stderr
        return subprocess.Popen(["nginx", "-p", str(cls.folder), "-c", str(config), "-e", "stderr"],
                                stderr=subprocess.PIPE)

    @classmethod
    def connect(cls):
        return http.client.HTTPSConnection("127.0.0.1", cls.port, timeout=30,
                                           context=ssl._create_unverified_context())


@unittest.skipUnless(shutil.which("caddy"), "caddy is not installed")
class Caddy(Proxy, unittest.TestCase):
    @classmethod
    def start(cls):
        site = (harness.ROOT / "packaging/proxy/Caddyfile").read_text()
        site = site.replace("127.0.0.1:8080", f"127.0.0.1:{cls.server.port}")
        site = site.replace(f"{NAME} {{", f"http://{NAME}:{cls.port} {{")
        config = pathlib.Path(cls.folder) / "Caddyfile"
        config.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + site)
        environment = harness.environment() | {"HOME": str(cls.folder), "XDG_DATA_HOME": str(cls.folder),
                                               "XDG_CONFIG_HOME": str(cls.folder)}
        words = ["--config", str(config), "--adapter", "caddyfile"]
        checked = subprocess.run(["caddy", "validate", *words], capture_output=True, text=True, timeout=60,
                                 env=environment)
        assert checked.returncode == 0, checked.stderr
        return subprocess.Popen(["caddy", "run", *words], env=environment, stderr=subprocess.PIPE)

    @classmethod
    def connect(cls):
        return http.client.HTTPConnection("127.0.0.1", cls.port, timeout=30)


if __name__ == "__main__":
    unittest.main()
