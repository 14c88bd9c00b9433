"""`fathom route` before two real servers: answers, retries, a server that is killed, prefixes, refusals, its end."""
import http.client
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

import harness
from harness import chat_body

PATH = "/v1/chat/completions"
HEALTH = ["route.health_every_s=0.1", "route.health_timeout_s=0.5"]


class Router(harness.Server):
    """A running router; asked as a server is."""

    def __init__(self, servers, settings=(), extra=(), wait=True, health=HEALTH):
        urls = ",".join(s if isinstance(s, str) else f"http://127.0.0.1:{s.port}" for s in servers)
        command = ["route", "--servers", urls, "--port", "0"]
        for setting in [*health, *settings]:
            command += ["--set", setting]
        self.launch(command + list(extra))
        if wait:
            self._until(lambda: self.get("/ready")[2]["servers"] == ["ready"] * len(servers), "its servers")

    def of_server(self, name, index):
        text = self.get("/metrics")[2]
        return [float(v) for v in re.findall(rf"^fathom_route_{name}{{[^}}]*}} (\S+)$", text, re.M)][index]


def route(*arguments):
    return subprocess.run([harness.FATHOM, "route", *arguments], capture_output=True, text=True, timeout=60,
                          env=harness.environment())


def plain(answer):
    return {k: v for k, v in answer.items() if k not in ("id", "created", "timings", "x_fathom", "usage")}


class BeforeTwo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = [harness.Server(), harness.Server()]
        cls.router = Router(cls.servers)

    @classmethod
    def tearDownClass(cls):
        for one in [cls.router, *cls.servers]:
            one.stop()

    def test_answers_are_the_servers(self):
        for path, body in ((PATH, chat_body("Hello", max_tokens=20, logprobs=True)),
                           ("/v1/completions", {"prompt": "abc", "max_tokens": 9, "temperature": 0}),
                           ("/tokenize", {"prompt": "abc"})):
            self.assertEqual(plain(self.router.ok(path, body)), plain(self.servers[0].ok(path, body)))
        body = chat_body("Stream", max_tokens=30)
        self.assertEqual(harness.joined(self.router.chunks(PATH, body)), harness.joined(self.servers[1].chunks(PATH, body)))
        self.assertEqual(self.router.ok_get("/v1/models")["data"][0]["id"], "tiny")
        self.assertIn("<html", self.router.ok_get("/"))
        status, _, text = self.router.request("HEAD", "/v1/models")
        self.assertEqual((status, text), (200, ""))

    def test_errors_are_the_servers_too(self):
        for path, body in ((PATH, {"messages": []}), (PATH, "{"), ("/v1/nowhere", {"a": 1}), ("/v1/messages", {"x": 1})):
            mine, theirs = self.router.post(path, body), self.servers[0].post(path, body)
            self.assertEqual(mine[0], theirs[0])
            without = [{k: v for k, v in a[2].items() if k != "request_id"} for a in (mine, theirs)]
            self.assertEqual(*without)

    def test_headers(self):
        status, headers, _ = self.router.post(PATH, chat_body(), {"X-Request-Id": "mine-1", "Connection": "x-secret",
                                                                  "X-Secret": "1"})
        self.assertEqual((status, headers["x-request-id"]), (200, "mine-1"))
        self.assertIn(headers["x-fathom-server"], ("0", "1"))
        self.assertEqual(len(headers.get_all("date")), 1)
        self.assertEqual(len(headers.get_all("content-length")), 1)

    def test_a_stream_comes_as_it_is_made(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.router.port, timeout=30)
        body = json.dumps(chat_body("go", max_tokens=900, ignore_eos=True, stream=True))
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        self.assertTrue(response.readline().startswith(b"data: "))
        self.assertEqual(sum(s.metric("num_requests_open") for s in self.servers), 1)  # it goes on
        connection.close()
        response.close()
        end = time.monotonic() + 10
        while sum(s.metric("num_requests_open") for s in self.servers) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(sum(s.metric("num_requests_open") for s in self.servers), 0, "a client that went away")

    def test_what_is_refused_here(self):
        raw = lambda head: self.router.raw((head + "\r\n").encode())[:12]
        ours = "Host: localhost\r\nConnection: close\r\n"
        self.assertEqual(raw("GET /v1/models HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n"), "HTTP/1.1 421")
        self.assertEqual(raw("GET /admin/status HTTP/1.1\r\n" + ours), "HTTP/1.1 404")
        self.assertEqual(raw("GET /v1/admin/status HTTP/1.1\r\n" + ours), "HTTP/1.1 404")
        self.assertEqual(raw("DELETE /v1/models HTTP/1.1\r\n" + ours), "HTTP/1.1 405")
        self.assertEqual(raw("POST /health HTTP/1.1\r\n" + ours), "HTTP/1.1 405")
        self.assertEqual(raw("GET http://localhost/v1/models HTTP/1.1\r\n" + ours), "HTTP/1.1 400")
        self.assertEqual(raw("CONNECT localhost:80 HTTP/1.1\r\n" + ours)[:10], "HTTP/1.1 4")
        self.assertEqual(raw("GET / HTTP/1.1\r\n" + ours + "Via: 1.1 fathom-route\r\n" * 4), "HTTP/1.1 508")
        self.assertEqual(self.router.post(PATH, " " * (33 << 20))[0], 413)
        self.assertGreater(self.router.metric("route_refused_total"), 6)

    def test_a_conversation_stays_where_its_rows_are(self):
        """Round-robin beside it: the cached tokens of the same conversations."""
        cached = {}
        for choice in ("turns", "prefix"):
            router = Router(self.servers, settings=[f"route.choice={choice}"])
            talks = [[{"role": "user", "content": f"{choice} talk {t}: " + chr(97 + t) * 300}] for t in range(5)]
            total = 0
            for _ in range(3):
                for talk in talks:
                    answer = router.ok(PATH, chat_body() | {"messages": talk, "max_tokens": 4})
                    total += answer["usage"]["prompt_tokens_details"]["cached_tokens"]
                    talk += [answer["choices"][0]["message"], {"role": "user", "content": "And then? " * 3}]
                    talk[-2].pop("reasoning_content", None)
            cached[choice] = total
            if choice == "prefix":
                self.assertGreater(router.metric("route_known_steps_total"), 0)
                self.assertGreater(min(router.of_server("requests_total", s) for s in (0, 1)), 3, "both have some")
            router.stop()
        print(f"cached tokens of 15 requests: {cached}")
        self.assertGreater(cached["prefix"], 10 * 300)
        self.assertGreater(cached["prefix"], 1.3 * cached["turns"])


class Losses(unittest.TestCase):
    def setUp(self):
        self.servers = [harness.Server(), harness.Server()]

    def tearDown(self):
        for server in self.servers:
            server.stop()

    def test_a_server_that_is_killed_under_load(self):
        """Whole answers come from the other one; streams that had begun end with an error, and nothing hangs."""
        router = Router(self.servers, settings=["route.choice=turns"])
        heard, lock = {"whole": [], "stream": []}, threading.Lock()
        stop = threading.Event()

        def ask(i):
            kind = "whole" if i % 2 else "stream"
            while not stop.is_set():
                body = chat_body(f"{i}", max_tokens=60, ignore_eos=True, stream=kind == "stream")
                try:
                    status, _, text = router.post(PATH, body, timeout=30)
                    end = status
                    if kind == "stream":
                        end = "whole" if text.rstrip().endswith("[DONE]") else "lost"
                except http.client.IncompleteRead as broken:
                    text = broken.partial.decode()
                    last = [line for line in text.split("\n") if line.startswith("data: ")][-1]
                    end = "told" if "server_lost" in last else "cut"
                with lock:
                    heard[kind].append(end)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        while len(heard["whole"]) < 8 or len(heard["stream"]) < 8:
            time.sleep(0.01)
        self.servers[0].process.kill()
        time.sleep(1.0)
        before = {kind: len(ends) for kind, ends in heard.items()}
        time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(set(heard["whole"]), {200}, heard["whole"])
        self.assertLessEqual(set(heard["stream"]), {"whole", "told", "cut"})
        self.assertLessEqual(sum(end != "whole" for end in heard["stream"]), 4, "those that ran then")
        for kind, ends in heard.items():
            self.assertGreater(len(ends), before[kind], "it goes on")
        self.assertEqual(router.of_server("server_ready", 0), 0)
        self.assertEqual(router.get("/ready")[0], 200)
        self.assertIn("away", "".join(router.log))
        router.stop()

    def test_a_server_that_stands_still_is_lost_and_its_requests_go_elsewhere(self):
        router = Router(self.servers, settings=["route.lost_after=2"])
        streamed = []

        def stream():
            with socket.create_connection(("127.0.0.1", router.port), timeout=30) as connection:
                body = json.dumps(chat_body("s" * 200, max_tokens=900, ignore_eos=True, stream=True)).encode()
                connection.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                   b"Content-Length: %d\r\n\r\n" % (PATH.encode(), len(body)) + body)
                while piece := connection.recv(65536):
                    streamed.append(piece)

        thread = threading.Thread(target=stream)
        thread.start()
        while not streamed:
            time.sleep(0.005)
        index = 0 if router.of_server("requests_in_flight", 0) else 1
        os.kill(self.servers[index].process.pid, signal.SIGSTOP)
        try:
            # Its text is known there, so it goes there first.
            answer = router.chat("s" * 200, max_tokens=5)
            self.assertEqual(len(answer["choices"]), 1)
            thread.join(20)
            self.assertFalse(thread.is_alive())
            text = b"".join(streamed)
            self.assertIn(b"server_lost", text)
            self.assertFalse(text.endswith(b"0\r\n\r\n"), "a body that is not whole has no end")
            self.assertEqual(router.get("/ready")[2]["servers"][index], "lost")
            self.assertGreater(router.metric("route_retries_total"), 0)
            self.assertEqual(router.of_server("broken_total", index), 1)
        finally:
            os.kill(self.servers[index].process.pid, signal.SIGCONT)
        router._until(lambda: router.get("/ready")[2]["servers"] == ["ready", "ready"], "both again")
        router.stop()

    def test_one_that_goes_down_gets_nothing_new_and_no_server_is_503(self):
        router = Router(self.servers)
        self.servers[0].process.send_signal(signal.SIGTERM)
        router._until(lambda: router.get("/ready")[2]["servers"] == ["away", "ready"], "one that leaves")
        for i in range(4):
            self.assertEqual(router.post(PATH, chat_body(str(i)))[1]["x-fathom-server"], "1")
        self.servers[1].process.kill()
        self.servers[0].process.kill()
        router._until(lambda: router.get("/ready")[0] == 503, "no server")
        status, headers, answer = router.post(PATH, chat_body())
        self.assertEqual((status, answer["error"]["code"]), (503, "no_server"))
        self.assertGreater(int(headers["Retry-After"]), 0)
        self.assertEqual(router.post("/v1/messages", chat_body())[0], 529, "in the words of its dialect")
        self.assertEqual(router.get("/live")[0], 200)
        router.stop()

    def test_a_server_without_room_for_connections_is_neither_away_nor_lost(self):
        full = harness.Server(settings=["limits.max_connections=6", "limits.idle_s=60"])
        router = Router([full], settings=["route.lost_after=2"])
        lines, idle = [], []
        body = chat_body("long", max_tokens=1200, ignore_eos=True)
        thread = threading.Thread(target=lambda: lines.extend(router.stream_lines(PATH, body)))
        thread.start()
        while router.of_server("requests_in_flight", 0) == 0:
            time.sleep(0.002)
        log_before = len(router.log)
        answer = b""
        while b"too_many_connections" not in answer and len(idle) < 20:
            idle.append(socket.create_connection(("127.0.0.1", full.port), timeout=30))
            idle[-1].settimeout(0.05)
            try:
                answer = idle[-1].recv(4096)
            except TimeoutError:
                answer = b""
        self.assertTrue(answer.startswith(b"HTTP/1.1 503 "), answer)
        self.assertIn(b"Connection: close", answer)
        status, _, answer = router.post(PATH, chat_body())
        self.assertEqual((status, answer["error"]["code"]), (503, "too_many_connections"))
        thread.join()
        self.assertEqual(lines[-1], "data: [DONE]")
        time.sleep(0.5)  # looks
        self.assertEqual(router.get("/ready")[2]["servers"], ["ready"])
        self.assertNotIn("is away", "".join(router.log[log_before:]))
        for one in idle:
            one.close()
        router._until(lambda: router.post(PATH, chat_body(max_tokens=2))[0] == 200, "room")
        router.stop()
        full.stop()

    def test_a_full_server_is_not_the_last_word(self):
        full = harness.Server(settings=["limits.max_running=1", "limits.max_waiting=1"])
        router = Router([full, self.servers[0]], settings=["route.choice=turns"])
        statuses = []
        body = chat_body("long", max_tokens=400, ignore_eos=True)
        threads = [threading.Thread(target=lambda: statuses.append(router.post(PATH, body)[0])) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [200] * 10)
        self.assertGreater(router.of_server("refusals_total", 0), 0)
        alone = Router([full])
        statuses.clear()
        threads = [threading.Thread(target=lambda: statuses.append(alone.post(PATH, body)[0])) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(statuses), {200, 503}, "the server's own word")
        for one in (router, alone, full):
            one.stop()

    def test_sigint_under_load(self):
        router = Router(self.servers)

        def ask():
            try:
                while True:
                    router.post(PATH, chat_body("x" * 20000, max_tokens=1))
            except (OSError, http.client.HTTPException):
                pass

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        while router.of_server("requests_total", 0) + router.of_server("requests_total", 1) < 8:
            time.sleep(0.002)
        router.process.send_signal(signal.SIGINT)
        self.assertEqual(router.process.wait(20), 130)
        for thread in threads:
            thread.join()

    def test_sigterm_lets_streams_end(self):
        router = Router(self.servers, settings=["server.drain_delay_s=0.3", "server.drain_timeout_s=20"])
        lines = []
        body = chat_body("bye", max_tokens=300, ignore_eos=True)
        thread = threading.Thread(target=lambda: lines.extend(router.stream_lines(PATH, body)))
        thread.start()
        while router.of_server("requests_in_flight", 0) + router.of_server("requests_in_flight", 1) == 0:
            time.sleep(0.002)
        router.process.send_signal(signal.SIGTERM)
        router._until(lambda: router.get("/ready")[2]["status"] == "draining", "its end")
        self.assertEqual(router.post(PATH, chat_body())[2]["error"]["code"], "draining")
        thread.join()
        self.assertEqual(lines[-1], "data: [DONE]")
        self.assertEqual(router.process.wait(20), 0)


class Scripted(http.server.BaseHTTPRequestHandler):
    """A server that speaks HTTP as it likes; `script` maps a path to what it writes."""
    script, seen, headers_seen = {}, [], []

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer()

    def answer(self):
        if self.path == "/ready":
            return self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        Scripted.seen.append((self.path, dict(self.headers)))
        self.close_connection = True
        try:
            for piece in Scripted.script[self.path]():
                self.wfile.write(piece)
                self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, *_):
        pass


class OtherServers(unittest.TestCase):
    """Servers that answer half, wrongly, slowly or without an end."""

    @classmethod
    def setUpClass(cls):
        cls.bad = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
        threading.Thread(target=cls.bad.serve_forever, daemon=True).start()
        cls.url = f"http://127.0.0.1:{cls.bad.server_port}"
        cls.router = Router([cls.url])

    @classmethod
    def tearDownClass(cls):
        cls.router.stop()
        cls.bad.shutdown()

    def ask(self, pieces, method="GET"):
        Scripted.script["/x"] = lambda: iter(pieces)
        self.router._until(lambda: self.router.get("/ready")[0] == 200, "the server, after what it did")
        return self.router.request(method, "/x", body={} if method == "POST" else None)

    def timers(self):
        """Of the connections to the server (2: the keep-alive's), by /proc/net/tcp."""
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table][1:]
        to = f":{self.bad.server_port:04X}"
        return {row[5][:2] for row in rows if row[2].endswith(to) and row[3] == "01"}

    def test_answers_that_are_none_are_503(self):
        for pieces in ([b"rubbish\r\n\r\n"], [b"HTTP/1.1 200 OK\r\nContent-Le"],
                       [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"],
                       [b"HTTP/1.1 200 OK\r\n\r\nno length"], [],
                       [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"],
                       [b"HTTP/1.1 200 OK\r\nX: " + b"a" * (70 << 10) + b"\r\n\r\n"]):
            status, _, answer = self.ask(pieces)
            self.assertEqual((status, answer["error"]["code"]), (503, "no_server"), pieces)
            self.assertNotIn("127.0.0.1", answer["error"]["message"])

    def test_half_an_answer_does_not_keep_others_from_its_server(self):
        """It may be the client's doing, who reads slowly. Nothing at all is the server's."""
        changes = lambda: sum("is away" in line for line in self.router.log)
        before = changes()
        self.ask([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
        time.sleep(0.2)
        self.assertEqual(changes(), before)
        self.ask([])
        self.router._until(lambda: changes() > before, "a word of it in the log")

    def test_a_request_that_ends_its_servers_is_not_sent_to_all(self):
        more = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Scripted) for _ in range(3)]
        for one in more:
            threading.Thread(target=one.serve_forever, daemon=True).start()
        router = Router([self.url] + [f"http://127.0.0.1:{one.server_port}" for one in more])
        Scripted.script["/dies"] = lambda: iter([])
        Scripted.seen.clear()
        self.assertEqual(router.post("/dies", {"a": 1})[0], 503)
        self.assertEqual([path for path, _ in Scripted.seen], ["/dies"] * 2)
        router.stop()
        for one in more:
            one.shutdown()
            one.server_close()

    def test_servers_by_name(self):
        """One name that leads nowhere is no other server's fault."""
        router = Router([f"http://localhost:{self.bad.server_port}", "http://nowhere.invalid:9"], wait=False)
        router._until(lambda: router.get("/ready")[2]["servers"][0] == "ready", "the one that is there")
        router._until(lambda: "nowhere.invalid:9 is away" in "".join(router.log), "a word of the other")
        self.assertEqual(router.get("/ready")[2]["servers"][0], "ready")
        router.stop()

    def test_a_server_that_cannot_be_reached_in_time(self):
        with socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            fill = []
            for _ in range(4):  # then nobody is let in any more
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(deaf.getsockname())
                fill.append(one)
            router = Router([f"http://127.0.0.1:{deaf.getsockname()[1]}"], wait=False,
                            settings=["route.connect_s=0.2"])
            router._until(lambda: "more than 0.2 s (route.connect_s)" in "".join(router.log), "its reason")
            router.stop()
            for one in fill:
                one.close()

    def test_lengths_chunks_and_headers_of_the_connection(self):
        status, headers, text = self.ask([b"HTTP/1.1 203 Strange\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 5\r\n"
                                          b"Connection: close\r\nConnection: X-Hop, X-Kept-Not\r\nX-Hop: 1\r\nX-Kept: 2\r\nSet-Cookie: a\r\n"
                                          b"Set-Cookie: b\r\n\r\n", b"3\r\nabc\r\n", b"0\r\nX-Trailer: 1\r\n\r\n"])
        self.assertEqual((status, text), (203, "abc"))
        self.assertEqual((headers["X-Kept"], headers["X-Hop"], headers["Keep-Alive"]), ("2", None, None))
        self.assertEqual(headers.get_all("set-cookie"), ["a", "b"])
        self.assertEqual(self.ask([b"HTTP/1.1 204 No Content\r\n\r\n"])[0], 204)
        self.assertEqual(self.ask([b"HTTP/1.1 503 Full\r\nContent-Length: 4\r\nRetry-After: 7\r\n\r\nfull"])[1]["Retry-After"], "7")

    def test_what_a_server_hears(self):
        Scripted.seen.clear()
        Scripted.script["/x?q=1"] = lambda: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
        self.router.raw(b"POST /x?q=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nMine: 1\r\n"
                        b"X-Forwarded-For: 6.6.6.6\r\nTE: trailers\r\nExpect: 100-continue\r\nAuthorization: Bearer k\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        path, headers = Scripted.seen[-1]
        headers = {k.lower(): v for k, v in headers.items()}
        self.assertEqual(path, "/x?q=1")
        self.assertEqual(headers["host"], self.url.removeprefix("http://"))
        self.assertEqual(headers["x-forwarded-for"], "127.0.0.1", "what anybody can write is not passed on")
        self.assertEqual((headers["authorization"], headers["content-length"]), ("Bearer k", "2"))
        self.assertEqual(headers["via"], "1.1 fathom-route")
        self.assertEqual(headers["mine"], "1")
        for gone in ("x-mine", "te", "expect", "transfer-encoding"):
            self.assertNotIn(gone, headers)

    def test_a_client_that_does_not_read_slows_its_server_alone(self):
        sent = [0]

        def endless():
            yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
            while sent[0] < 2000:
                sent[0] += 1
                yield piece

        Scripted.script["/endless"] = endless
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", self.router.port))
            slow.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.7)
            stands = sent[0]
            self.assertEqual(self.timers(), {"02"}, "probes, for a machine that is gone says nothing")
            self.assertLess(stands, 400, "pieces of 64 KiB, of which the system's buffers hold some")
            time.sleep(0.3)
            self.assertEqual(sent[0], stands)
            self.assertEqual(self.ask([b"HTTP/1.1 204 No Content\r\n\r\n"])[0], 204)


class Settings(unittest.TestCase):
    def refused(self, *arguments):
        done = route(*arguments)
        self.assertEqual(done.returncode, 1, done.stderr)
        return done.stderr

    def test_bad_settings_are_refused(self):
        self.assertIn("expected --servers", self.refused())
        url = "http://127.0.0.1:1"
        for bad in ("127.0.0.1:80", "https://a", "http://", "http://a:0", "http://a:70000", "http://a/path", "http://a b"):
            self.assertIn("route.servers", self.refused("--servers", f"{url},{bad}"), bad)
        self.assertIn("twice", self.refused("--servers", f"{url},{url}/"))
        self.assertIn("servers_want_keys", self.refused("--servers", url, "--host", "0.0.0.0"))
        self.assertIn("route.choice", self.refused("--servers", url, "--set", "route.choice=best"))
        self.assertIn("route.patienc", self.refused("--servers", url, "--set", "route.patienc=1"))
        self.assertIn("0.0.0.0/99", self.refused("--servers", url, "--set", 'server.trusted_proxies=["0.0.0.0/99"]'))
        self.assertIn("cannot listen", self.refused("--servers", url, "--host", "203.0.113.1", "--set",
                                                    "route.servers_want_keys=true"))

    def test_print_config_and_environment(self):
        done = route("--servers", "http://a:1,http://b:2", "--print-config")
        self.assertIn('servers = ["http://a:1", "http://b:2"]', done.stdout)
        self.assertIn("health_every_s", route("--keys").stdout)

    def test_servers_that_should_want_keys_and_do_not_are_kept_away(self):
        server = harness.Server()
        router = Router([server], settings=["route.servers_want_keys=true"], wait=False)
        router._until(lambda: "without a key" in "".join(router.log), "a look")
        self.assertEqual(router.post(PATH, chat_body(), {"Host": "any.example", "X-Api-Key": "k"})[0], 503)
        router.stop()
        server.stop()

    def test_servers_with_keys_behind_any_host(self):
        folder = harness.Folder().path
        config = folder / "serve.toml"
        config.write_text(f'[accounts]\ndatabase = "{folder}/usage.db"\n[server]\ntrusted_proxies = ["127.0.0.1"]\n')
        made = subprocess.run([harness.FATHOM, "keys", "add", "me", "--config", str(config)], capture_output=True, text=True,
                              env=harness.environment(), check=True)
        key = made.stdout.strip().splitlines()[-1].split()[-1]
        server = harness.Server(extra=["--config", str(config)])
        router = Router([server], settings=["route.servers_want_keys=true"])
        self.assertEqual(router.post(PATH, chat_body(), {"Host": "any.example"})[0], 401)
        status, _, _ = router.post(PATH, chat_body(), {"Host": "any.example", "Authorization": f"Bearer {key}"})
        self.assertEqual(status, 200)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: any.example\r\nContent-Length: 900000\r\n\r\n"
        with socket.create_connection(("127.0.0.1", router.port), timeout=30) as connection:
            connection.sendall(head)  # and no body
            self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 401 "))
        self.assertEqual(router.get("/metrics")[0], 200)
        self.assertEqual(router.request("GET", "/metrics", headers={"X-Forwarded-For": "192.0.2.1"})[0], 403)
        router.stop()
        server.stop()


if __name__ == "__main__":
    unittest.main()
