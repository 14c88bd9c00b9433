"""`fathom route` before servers that answer half, wrongly, slowly or without an end."""
import http.server
import socket
import threading
import time
import unittest

from router import Router


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


if __name__ == "__main__":
    unittest.main()
