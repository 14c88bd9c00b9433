"""`fathom route` where servers are killed, stand still, are full or go down, and at its own end."""
import http.client
import json
import os
import signal
import socket
import threading
import time
import unittest

import harness
from harness import chat_body
from router import PATH, Router


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


if __name__ == "__main__":
    unittest.main()
