"""Starting, draining, reloading, metrics: checks 1, 89, 91 and 92."""
import http.client
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest

import harness
from harness import chat_body

PATH = "/v1/chat/completions"


class Operations(unittest.TestCase):
    def test_01_health_while_loading_and_after(self):
        server = harness.Server(wait=False)
        seen, retry = set(), None
        while (answer := server.get("/health"))[0] != 200:
            seen.add((answer[0], answer[2]["status"]))
            retry = answer[1]["Retry-After"]
            self.assertEqual(server.get("/live")[0], 200)
            status = server.post(PATH, chat_body())[0]
            self.assertIn(status, (503, 200))
        self.assertEqual(seen, {(503, "loading")})
        self.assertRegex(retry, r"^\d+$")
        self.assertEqual(server.get("/health")[2], {"status": "ok"})

    def test_sigterm_while_the_model_is_loaded(self):
        server = harness.Server(wait=False, path=harness.model(num_hidden_layers=16, n_routed_experts=64))
        self.assertEqual(server.get("/ready")[2], {"status": "loading"})
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(20), 0)
        self.assertLess(time.monotonic() - begin, 0.5)
        server.reader.join()
        self.assertIn("no model was loaded", "".join(server.log))

    def test_89_metrics(self):
        server = harness.Server()
        usage = [server.chat(prompt)["usage"] for prompt in harness.sampled_prompts(10)]
        text = server.get("/metrics")[2]
        for name in ("prompt_tokens_total prompt_tokens_cached_total generation_tokens_total "
                     "request_success_total request_errors_total requests_rejected_total "
                     "requests_cancelled_total num_preemptions_total prefix_cache_queries_total "
                     "prefix_cache_hits_total kv_cache_usage_perc time_to_first_token_seconds_bucket "
                     "inter_token_latency_seconds_sum e2e_request_latency_seconds_count "
                     "request_queue_time_seconds_sum request_prefill_time_seconds_sum "
                     "request_decode_time_seconds_sum request_prompt_tokens_sum "
                     "request_generation_tokens_sum").split():
            self.assertIn("fathom_" + name.split("_bucket")[0], text)
        for line in text.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) fathom_\w+ .+|fathom_\w+\{[^}]*\} [0-9.e+-]+)$")
        self.assertEqual(server.metric("prompt_tokens_total"), sum(u["prompt_tokens"] for u in usage))
        self.assertEqual(server.metric("generation_tokens_total"),
                         sum(u["completion_tokens"] for u in usage))
        count = re.search(r"request_prompt_tokens_count\{.*\} (\d+)", text)
        self.assertEqual(count[1], "10")

    def test_91_no_word_of_a_prompt_is_logged(self):
        server = harness.Server(extra=["--verbose", "--log-format", "json"])
        server.chat("xyzzy-marker", **harness.forced("plugh-answer"))
        server.post(PATH, '{"messages": "xyzzy-marker"}')
        server.stop()
        log = "".join(server.log)
        self.assertIn('"prompt_tokens"', log)
        self.assertNotIn("xyzzy", log)
        self.assertNotIn("plugh", log)

    def test_every_line_of_a_json_log_is_an_object(self):
        server = harness.Server(extra=["--log-format", "json", "--verbose"])
        server.chat("Hi")
        server.post(PATH, "{")
        server.get("/v1/models/%22%5c%ff%c3")
        server.stop()
        lines = [json.loads(line) for line in server.log]
        for line in lines:
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertIn(line["level"], ("debug", "info", "warning", "error"))
        request, = [line for line in lines if line.get("endpoint") == "/chat/completions"]
        self.assertEqual((request["status"], request["completion_tokens"]), (200, 8))
        self.assertTrue(any("configuration" in line.get("message", "") for line in lines))
        self.assertTrue(any("invalid_json" in line.get("message", "") for line in lines))

    def test_92_running_streams_end_normally_at_sigterm(self):
        server = harness.Server(settings=["server.drain_delay_s=1.5"])
        lines = {}
        def ask(i):
            lines[i] = server.stream_lines(PATH, chat_body(str(i), max_tokens=800, ignore_eos=True))
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        while server.metric("num_requests_open") != 3:
            time.sleep(0.01)
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        kept.request("GET", "/ready")
        kept.getresponse().read()
        server.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + 1
        while server.get("/ready")[0] == 200 and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual(server.get("/ready")[0], 503)
        self.assertEqual(server.get("/live")[0], 200)
        kept.request("POST", PATH, json.dumps(chat_body()), {"Content-Type": "application/json"})
        refused = kept.getresponse()
        self.assertEqual((refused.status, refused.getheader("Connection")), (503, "close"))
        self.assertEqual(json.loads(refused.read())["error"]["code"], "draining")
        for thread in threads:
            thread.join()
        self.assertEqual(server.process.wait(20), 0)
        for i in range(3):
            self.assertEqual(lines[i][-1], "data: [DONE]")
            self.assertIn('"finish_reason":"length"', lines[i][-2])

    def test_92_a_stream_that_does_not_end_is_told(self):
        server = harness.Server(settings=["server.drain_delay_s=0", "server.drain_timeout_s=0.2"],
                                path=harness.model(max_position_embeddings=65536))
        lines = []
        ask = threading.Thread(target=lambda: lines.extend(server.stream_lines(
            PATH, chat_body(max_tokens=60000, ignore_eos=True))))
        ask.start()
        while server.metric("num_requests_open") != 1:
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        ask.join()
        self.assertEqual(server.process.wait(10), 0)
        self.assertEqual(lines[-1], "data: [DONE]")
        self.assertEqual(json.loads(lines[-2][6:])["error"]["code"], "draining")

    def test_92_a_second_sigterm_is_now(self):
        server = harness.Server(settings=["server.drain_delay_s=30"])
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.7)
        server.process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        server.process.wait(10)
        self.assertLess(time.monotonic() - begin, 1)


class Waiting(unittest.TestCase):
    """One request at a time, one in the queue."""

    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(settings=["limits.max_running=1", "limits.max_waiting=1",
                                              "server.keep_alive_s=0.2"],
                                    path=harness.model(max_position_embeddings=65536))

    def occupied(self, requests):
        """Connections with so many requests that take their time."""
        body = json.dumps(chat_body(max_tokens=60000, ignore_eos=True, stream=True))
        connections = []
        for i in range(requests):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
            connection.request("POST", PATH, body, {"Content-Type": "application/json"})
            connections.append(connection)
            # The first has to have left the queue, or there is no place for the second.
            while (self.server.metric("num_requests_open"), self.server.metric("num_requests_running")) != (i + 1, 1):
                time.sleep(0.01)
        return connections

    def close(self, connections):
        for connection in connections:
            connection.close()
        end = time.monotonic() + 5
        while self.server.metric("num_requests_running") and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(self.server.metric("num_requests_running"), 0)
        self.assertEqual(self.server.metric("num_requests_waiting"), 0)

    def test_78_a_full_queue(self):
        connections = self.occupied(2)
        begin = time.monotonic()
        status, headers, answer = self.server.post(PATH, chat_body())
        self.assertLess(time.monotonic() - begin, 1)
        self.assertEqual((status, answer["error"]["code"]), (503, "server_overloaded"))
        self.assertRegex(headers["Retry-After"], r"^\d+$")
        self.close(connections)
        self.server.chat()

    def test_83_comments_while_a_stream_waits(self):
        connections = self.occupied(1)
        body = json.dumps(chat_body("Next", stream=True))
        request = (f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n{body}")
        begin = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as waiting:
            waiting.sendall(request.encode())
            text = waiting.recv(65536).decode()
            self.assertLess(time.monotonic() - begin, 1)
            self.assertTrue(text.startswith("HTTP/1.1 200"), text)
            while text.count(": keep-alive\n\n") < 3:
                text += waiting.recv(65536).decode()
            self.assertLess(time.monotonic() - begin, 4)
            self.close(connections)
            while "[DONE]" not in text:
                text += waiting.recv(65536).decode()

    def test_80_in_the_queue(self):
        self.close(self.occupied(2))


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class Tls(unittest.TestCase):
    def setUp(self):
        self.folder = harness.Folder().path
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", "key.pem", "-out", "cert.pem"], cwd=self.folder, check=True,
                       capture_output=True)

    def settings(self, certificate="cert.pem", key="key.pem"):
        return [f"server.tls_certificate={self.folder / certificate}",
                f"server.tls_key={self.folder / key}"]

    def test_95_tls(self):
        server = harness.Server(settings=self.settings(), wait=False)
        trust = ssl.create_default_context(cafile=str(self.folder / "cert.pem"))
        trust.set_alpn_protocols(["h2", "http/1.1"])
        def ask(method, path, body=None):
            connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=20, context=trust)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            self.assertEqual(connection.sock.selected_alpn_protocol(), "http/1.1")
            text = answer.read().decode()
            connection.close()
            return answer.status, text
        while ask("GET", "/ready")[0] != 200:
            time.sleep(0.05)
        status, text = ask("POST", PATH, json.dumps(chat_body(stream=True, max_tokens=50)))
        self.assertEqual((status, text.endswith("data: [DONE]\n\n")), (200, True))
        # Plain HTTP is refused, and nothing breaks.
        self.assertNotIn("200", server.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, OSError)):
            old.wrap_socket(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        self.assertEqual(ask("GET", "/health")[0], 200)

    def test_95_a_new_certificate_without_an_end(self):
        server = harness.Server(settings=self.settings(), wait=False)
        def shown():
            return ssl.get_server_certificate(("127.0.0.1", server.port))
        first = shown()
        kept = ssl._create_unverified_context().wrap_socket(
            socket.create_connection(("127.0.0.1", server.port), timeout=10))
        self.addCleanup(kept.close)
        subprocess.run(["openssl", "req", "-x509", "-key", "key.pem", "-days", "2", "-subj", "/CN=new",
                        "-out", "cert.pem"], cwd=self.folder, check=True, capture_output=True)
        while not any("serving" in line for line in server.log):
            time.sleep(0.02)
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 5
        while shown() == first and time.monotonic() < end:
            time.sleep(0.02)
        self.assertNotEqual(shown(), first)
        kept.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b"200 OK", kept.recv(4096))

    def test_95_files_that_are_no_certificate(self):
        (self.folder / "none.pem").write_text("nothing")
        for settings in (self.settings("none.pem"), self.settings(key="none.pem"),
                         self.settings("away.pem")):
            options = [option for setting in settings for option in ("--set", setting)]
            done = harness.serve("--model", str(harness.model()), "--port", "0", *options)
            self.assertEqual(done.returncode, 1)
            self.assertIn(".pem", done.stderr)


class Reload(unittest.TestCase):
    """What SIGHUP changes."""

    def setUp(self):
        self.file = harness.Folder().path / "serve.toml"
        self.file.write_text("")

    def start(self, *extra):
        return harness.Server(extra=["--config", str(self.file), *extra])

    def reload(self, server, text, said):
        self.file.write_text(text)
        seen = len(server.log)
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 5
        while not any(said in line for line in server.log[seen:]) and time.monotonic() < end:
            time.sleep(0.02)
        news = "".join(server.log[seen:])
        self.assertIn(said, news)
        return news

    def test_93_aliases_and_the_log_level(self):
        server = self.start()
        status = lambda: server.post(PATH, chat_body(model="claude-3", max_tokens=1))[0]
        self.assertEqual(status(), 404)
        origin = lambda: server.get("/v1/models", {"Origin": "https://a.b"})[1]["Access-Control-Allow-Origin"]
        self.assertIsNone(origin())
        news = self.reload(server, '[model]\naliases = ["claude-*"]\n[server]\nlog_level = "debug"\n'
                                   'allowed_origins = ["https://a.b"]\n', "hold")
        self.assertNotIn("restart", news)
        self.assertEqual((status(), origin()), (200, "https://a.b"))
        server.post(PATH, "{")
        end = time.monotonic() + 5
        while not any("invalid_json" in line for line in server.log) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertTrue(any("invalid_json" in line for line in server.log), "refusals are of level debug")
        self.reload(server, '[server]\nlog_level = "loud"\n', "loud")
        self.assertEqual(status(), 200, "a file that is wrong changes nothing")
        self.reload(server, "", "hold")
        self.assertEqual(status(), 404)

    def test_93_what_waits_for_a_restart_is_named(self):
        server = self.start()
        news = self.reload(server, "[limits]\nmax_running = 3\n[server]\nport = 99\n", "restart")
        self.assertIn("limits.max_running", news)
        self.assertNotIn("server.port", news, "the flag stands above the file")

    def test_verbose_stands_above_the_file(self):
        server = self.start("--verbose")
        self.reload(server, '[server]\nlog_level = "error"\n', "hold")
        server.post(PATH, "{")
        server.stop()
        self.assertTrue(any("invalid_json" in line for line in server.log))


if __name__ == "__main__":
    unittest.main()
