"""Models, hosts, verbs, and HTTP as hostile clients write it: checks 1 to 7 and 94."""
import contextlib
import http.client
import json
import pathlib
import re
import socket
import threading
import time
import unittest

import harness
from harness import chat_body

PATH = "/v1/chat/completions"
HOST = "Host: localhost\r\n"


class Wire(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(settings=["limits.header_s=1", "limits.idle_s=3"],
                                    path=harness.model(max_position_embeddings=65536))

    def status_of(self, text, timeout=20):
        answer = self.server.raw(text.encode("latin-1"), timeout)
        return int(answer.split(" ")[1]) if answer else None

    def test_03_models(self):
        status, headers, models = self.server.get("/v1/models")
        self.assertEqual(status, 200)
        entry = models["data"][0]
        self.assertEqual((models["object"], entry["id"], entry["object"]), ("list", "tiny", "model"))
        for name in ("created", "owned_by", "type", "display_name", "created_at"):
            self.assertIn(name, entry)
        self.assertEqual((entry["max_model_len"], entry["context_length"]), (65536, 65536))
        for path in ("/models", "/v1/models/", "/beta/models", "/anthropic/v1/models"):
            self.assertEqual(self.server.get(path)[2], models, path)
        self.assertEqual(self.server.get("/v1/models/tiny")[2], entry)
        status, headers, text = self.server.request("HEAD", "/v1/models")
        self.assertEqual((status, text), (200, ""))
        self.assertGreater(int(headers["Content-Length"]), 100)

    def test_04_another_host(self):
        for path in ("/v1/models", "/health", "/"):
            status, _, answer = self.server.get(path, {"Host": "evil.example"})
            self.assertEqual((status, set(answer)), (421, {"error"}))
        for host in ("localhost", "localhost:80", "127.0.0.1:9", "[::1]:80", "a.localhost"):
            self.assertEqual(self.server.get("/v1/models", {"Host": host})[0], 200, host)

    def test_05_pages_of_others(self):
        status, headers, _ = self.server.get("/v1/models", {"Origin": "https://evil.example"})
        self.assertFalse([h for h in headers if h.lower().startswith("access-control")])
        status, headers, _ = self.server.request("OPTIONS", PATH, headers={
            "Origin": "https://evil.example", "Access-Control-Request-Method": "POST"})
        self.assertEqual(status, 403)
        self.assertFalse([h for h in headers if h.lower().startswith("access-control")])

    def test_05_pages_that_are_listed(self):
        page = "https://chat.example.org"
        server = harness.Server(settings=[f'server.allowed_origins=["{page}", "http://localhost:3000"]'])
        asked = {"Origin": page, "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os"}
        status, headers, _ = server.request("OPTIONS", PATH, headers=asked)
        self.assertEqual((status, headers["Access-Control-Allow-Origin"]), (204, page))
        self.assertEqual(headers["Access-Control-Allow-Methods"], "POST")
        self.assertEqual(headers["Access-Control-Allow-Headers"], asked["Access-Control-Request-Headers"])
        for body in (chat_body(max_tokens=1), chat_body(max_tokens=1, stream=True), {"messages": 5}):
            status, headers, _ = server.post(PATH, body, {"Origin": page})
            self.assertEqual((headers["Access-Control-Allow-Origin"], headers["Vary"]), (page, "Origin"), status)
        self.assertEqual(server.get("/health", {"Origin": page})[1]["Access-Control-Allow-Origin"], page)
        for other in (page + ".evil.example", "https://evil.example", "null", "http://chat.example.org", page + ":8443"):
            status, headers, _ = server.request("OPTIONS", PATH, headers=asked | {"Origin": other})
            self.assertEqual(status, 403, other)
            names = list(headers) + list(server.get("/v1/models", {"Origin": other})[1])
            self.assertFalse([name for name in names if name.lower().startswith("access-control")], other)
        status, headers, _ = server.request("OPTIONS", PATH, headers=asked | {"Access-Control-Request-Headers": "a<b>"})
        self.assertEqual((status, headers["Access-Control-Allow-Headers"]), (204, None))
        self.assertEqual(server.request("OPTIONS", "/nothing", headers=asked)[0], 404)
        self.assertEqual(server.request("OPTIONS", PATH, headers=asked | {"Host": "evil.example"})[0], 421)

    def test_06_only_json(self):
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            status, _, answer = self.server.post(PATH, chat_body(), {"Content-Type": kind})
            self.assertEqual((status, answer["error"]["code"]), (415, "unsupported_media_type"))
        for kind in ("application/json; charset=utf-8", "Application/JSON"):
            self.assertEqual(self.server.post(PATH, chat_body(), {"Content-Type": kind})[0], 200)

    def test_07_bodies_that_are_none(self):
        deep = '{"messages":' + "[" * 129 + "]" * 129 + "}"
        for body in ("{", "[]", '"x"', "", deep, '{"a":1}}', b"\xff\xfe{}", '{"messages":NaN}'):
            status, _, answer = self.server.post(PATH, body)
            self.assertEqual((status, answer["error"]["code"]), (400, "invalid_json"), body)
        status, _, answer = self.server.post(PATH, " " * (33 << 20))
        self.assertEqual((status, answer["error"]["code"]), (413, "request_too_large"))

    def test_07_the_last_of_equal_keys_wins(self):
        status, _, answer = self.server.post(
            PATH, '{"max_tokens":0,"messages":[{"role":"user","content":"a"}],"max_tokens":1}')
        self.assertEqual(status, 200, answer)

    def test_94_headers(self):
        start = "GET /v1/models HTTP/1.1\r\n" + HOST
        self.assertEqual(self.status_of(start + "X: " + "a" * (40 << 10) + "\r\n\r\n"), 431)
        self.assertEqual(self.status_of(start + "".join(f"X{i}: a\r\n" for i in range(101)) + "\r\n"), 431)
        for head in ("GET / HTTP/1.1\r\n\r\n", start + HOST + "\r\n", "rubbish\r\n\r\n",
                     start + "Transfer-Encoding: gzip\r\n\r\n",
                     "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n"):
            self.assertEqual(self.status_of(head), 400, head)
        self.assertEqual(self.status_of("GET / HTTP/2.0\r\n" + HOST + "\r\n"), 505)

    def test_94_two_ways_to_say_how_long(self):
        head = "POST /tokenize HTTP/1.1\r\n" + HOST + "Content-Type: application/json\r\n"
        for both in ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                     "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                     "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: -1\r\n"):
            self.assertEqual(self.status_of(head + both + "\r\n0\r\n\r\n"), 400, both)

    def test_94_chunked_bodies_and_100_continue(self):
        body = json.dumps({"prompt": "abc"})
        head = ("POST /tokenize HTTP/1.1\r\n" + HOST + "Connection: close\r\n"
                "Content-Type: application/json\r\n")
        pieces = "".join(f"{len(c):x}\r\n{c}\r\n" for c in body)
        whole = self.server.raw((head + "Transfer-Encoding: chunked\r\n\r\n" + pieces + "0\r\n\r\n").encode())
        self.assertIn('"tokens"', whole)
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as connection:
            connection.sendall((head + f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n").encode())
            self.assertEqual(connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(body.encode())
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200"))
        # A body that will be refused is not asked for.
        refused = self.server.raw((head.replace("/tokenize", "/nowhere") + "Content-Length: 5\r\n"
                                   "Expect: 100-continue\r\n\r\n").encode())
        self.assertTrue(refused.startswith("HTTP/1.1 404"), refused)

    def test_94_pipelined_requests_are_answered_in_order(self):
        def post(text, more=""):
            body = json.dumps({"prompt": text})
            return ("POST /tokenize HTTP/1.1\r\n" + HOST + more + "Content-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}")
        answer = self.server.raw((post("a") + post("abcdef") + post("abc", "Connection: close\r\n")).encode())
        counts = [int(part.split("}")[0].split(",")[0]) for part in answer.split('"count":')[1:]]
        self.assertEqual(len(counts), 3)
        self.assertTrue(counts[0] < counts[2] < counts[1], counts)

    def test_94_slow_headers(self):
        begin = time.monotonic()
        connections = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(200)]
        for connection in connections:
            connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: loc")
        self.server.chat()  # others are served
        for connection in connections:
            connection.settimeout(20)
            while connection.recv(4096):
                pass
            connection.close()
        self.assertLess(time.monotonic() - begin, 15)

    def test_connections_are_kept_and_close_when_idle(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        self.addCleanup(connection.close)
        for path in ("/v1/models", "/nowhere", "/v1/models"):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            self.assertEqual(response.getheader("Connection"), "keep-alive", path)
        begin = time.monotonic()
        self.assertEqual(connection.sock.recv(1), b"")
        self.assertLess(time.monotonic() - begin, 10)

    def test_http_1_0(self):
        body = json.dumps(chat_body(stream=True))
        answer = self.server.raw((f"POST {PATH} HTTP/1.0\r\nContent-Type: application/json\r\n"
                                  f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
        self.assertNotIn("chunked", answer)
        self.assertTrue(answer.endswith("data: [DONE]\n\n"), answer[-200:])

    def test_80_a_client_that_goes_away_ends_its_request(self):
        for stream in (True, False):
            body = json.dumps(chat_body("Long", stream=stream, max_tokens=60000, ignore_eos=True))
            with socket.create_connection(("127.0.0.1", self.server.port)) as connection:
                connection.sendall((f"POST {PATH} HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
                                    f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
                while self.server.metric("num_requests_running") != 1:
                    time.sleep(0.005)
            begin = time.monotonic()
            while self.server.metric("num_requests_running"):  # in the engine itself
                self.assertLess(time.monotonic() - begin, 1)
                time.sleep(0.005)
            self.assertEqual(self.server.metric("num_requests_open"), 0)

    def test_a_hundred_streams_at_once(self):
        marks = [f"{i:03d}" * 5 for i in range(100)]
        texts = {}
        def ask(mark):
            chunks = self.server.chunks(PATH, chat_body(**harness.forced(mark)))
            texts[mark] = harness.joined(chunks)[0]["content"]
        threads = [threading.Thread(target=ask, args=(mark,)) for mark in marks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(texts, {mark: mark for mark in marks})


class SlowReader(unittest.TestCase):
    def resident_kib(self, server):
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def test_82_readers_that_stop_reading(self):
        server = harness.Server(settings=["limits.write_s=2"])
        fields = {"stream": True, "logprobs": True, "top_logprobs": 20, "ignore_eos": True, "max_tokens": 900}
        body = json.dumps(chat_body("Long", **fields))
        other = server.chat("Other")["choices"]
        for _ in range(3):
            self.assertEqual(server.stream_lines(PATH, chat_body("Long", **fields))[-1], "data: [DONE]")
        before = most = self.resident_kib(server)
        with contextlib.ExitStack() as readers:
            for _ in range(4):
                connection = readers.enter_context(socket.socket())
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.connect(("127.0.0.1", server.port))
                connection.sendall((f"POST {PATH} HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
                                    f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
                self.assertIn(b"200 OK", connection.recv(100))
            end = time.monotonic() + 60
            while server.metric("requests_cancelled_total") != 4:
                self.assertLess(time.monotonic(), end, "they are cancelled")
                self.assertEqual(server.chat("Other")["choices"], other, "others are served")
                most = max(most, self.resident_kib(server))
                time.sleep(0.05)
        self.assertLess(most - before, 4 * 2048)
        self.assertEqual(server.metric("num_requests_running"), 0)


if __name__ == "__main__":
    unittest.main()
