"""What operators see and may do: /admin/status, /admin/requests, /admin/history, and the end of a request."""
import http.client
import json
import signal
import threading
import time
import unittest

import harness
from accounts_test import Accounts, bearer
from harness import chat_body

CHAT = "/v1/chat/completions"
PATHS = ("/admin/status", "/admin/requests", "/admin/history")
MESSAGES = [{"role": "user", "content": "Hi"}]
# One of each dialect, so long that it ends when somebody ends it.
BODIES = {
    CHAT: {"messages": MESSAGES, "max_tokens": 20000, "ignore_eos": True},
    "/v1/completions": {"prompt": "Hi", "max_tokens": 20000, "ignore_eos": True},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 20000, "temperature": 0, "model": "tiny"},
    "/v1/responses": {"input": "Hi", "max_output_tokens": 20000, "temperature": 0},
}


def until(done, what, wait_s=30):
    end = time.monotonic() + wait_s
    while not (value := done()):
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.005)
    return value


class Asked(threading.Thread):
    """A request on its way."""

    def __init__(self, server, path, body, headers=None):
        super().__init__(daemon=True)
        self.answer = None
        self.ask = lambda: server.post(path, body, headers)
        self.start()

    def run(self):
        self.answer = self.ask()

    def end(self):
        self.join(30)
        assert self.answer, "no answer came"
        return self.answer


class Admin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # A model that is slow enough to be looked at, and one place, so that others wait.
        path = harness.model(max_position_embeddings=32768)
        cls.server = harness.Server(path, settings=["limits.max_running=1"])

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def tearDown(self):
        until(lambda: not self.open(), "all requests to end")

    def open(self, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return self.server.ok_get("/admin/requests" + (f"?{text}" if text else ""))["data"]

    def running(self, phase="decode"):
        return until(lambda: [r for r in self.open() if r["phase"] == phase], f"one in {phase}")[0]

    def end(self, request):
        return self.server.request("DELETE", f"/admin/requests/{request['id']}")

    def test_requests_are_shown_by_phase(self):
        long = chat_body("word " * 1500, max_tokens=8000, ignore_eos=True)
        first = Asked(self.server, CHAT, long | {"stream": True})
        seen = {"prefill": []}
        while not (decoding := [r for r in self.open() if r["phase"] == "decode"]):
            seen["prefill"] += [r["prefilled_tokens"] for r in self.open() if r["phase"] == "prefill"]
        second = Asked(self.server, CHAT, chat_body("xyzzy-marker"))
        waiting = self.running("queue")
        self.assertEqual((waiting["generated_tokens"], waiting["queue_ms"]), (0, 0))
        body = self.server.ok_get("/admin/requests?limit=1")
        self.assertEqual(body["open"], {"queue": 1, "prefill": 0, "decode": 1})
        self.assertEqual([r["id"] for r in body["data"]], [decoding[0]["id"]])  # the older one
        self.assertNotIn("xyzzy", json.dumps(self.open()))
        self.assertEqual(seen["prefill"], sorted(seen["prefill"]))
        self.assertGreater(len(set(seen["prefill"])), 2)
        one = self.running()
        self.assertEqual((one["key"], one["endpoint"], one["model"], one["stream"], one["max_tokens"]),
                         ("local", "/chat/completions", "tiny", True, 8000))
        self.assertEqual(one["prefilled_tokens"], one["prompt_tokens"])
        self.assertGreater(one["first_token_ms"], one["queue_ms"])
        self.assertGreater(one["age_ms"], one["first_token_ms"])
        until(lambda: self.running()["generated_tokens"] > one["generated_tokens"] + 5, "more tokens")
        self.assertEqual(self.end(one)[0], 200)
        first.end()
        self.assertEqual(second.end()[0], 200)

    def test_an_operator_ends_a_request_of_any_dialect(self):
        for path, body in BODIES.items():
            for stream in (False, True):
                with self.subTest(path=path, stream=stream):
                    asked = Asked(self.server, path, body | {"stream": stream})
                    status, _, answer = self.end(self.running())
                    self.assertEqual((status, list(answer)), (200, ["ended"]))
                    status, headers, answer = asked.end()
                    self.assertEqual(status, 200 if stream else 403)
                    text = answer if stream else json.dumps(answer)
                    self.assertIn("an operator of this server ended the request", text)
                    if not stream:
                        self.assertEqual(headers["x-should-retry"], "false")
                    until(lambda: not self.open(), "its end")
        failed = self.server.ok_get("/admin/status")["failed_by_code"]
        self.assertGreaterEqual(failed["request_ended"], 8)

    def test_one_that_waits_can_be_ended_and_others_are_left_alone(self):
        running = Asked(self.server, CHAT, chat_body("a", max_tokens=1000, ignore_eos=True))
        self.running()
        waiting = Asked(self.server, CHAT, chat_body("b"))
        self.assertEqual(self.end(self.running("queue"))[0], 200)
        self.assertEqual(waiting.end()[0], 403)
        status, _, answer = running.end()
        self.assertEqual((status, answer["usage"]["completion_tokens"]), (200, 1000))

    def test_wrong_requests_are_refused(self):
        for path, words in (("/admin/requests?limit=x", "limit"), ("/admin/requests?limit=-1", "limit"),
                            ("/admin/history?after=-1", "after"), ("/admin/history?after=nan", "after"),
                            ("/admin/history?after=1e999", "after"), ("/admin/history?before=1", "before")):
            status, _, answer = self.server.get(path)
            self.assertEqual((status, words in answer["error"]["message"]), (400, True), (path, answer))
        for rest in ("0", "99999999", "x", "-1", "1%2f2", "99999999999999999999"):
            self.assertEqual(self.server.request("DELETE", f"/admin/requests/{rest}")[0], 404, rest)
        self.assertEqual(self.server.post("/admin/status", {})[0], 405)
        self.assertEqual(self.server.request("DELETE", "/admin/requests")[0], 405)

    def test_status_agrees_with_metrics(self):
        self.server.chat("One more")
        self.server.post(CHAT, {"messages": []})
        status = self.server.ok_get("/admin/status")
        totals, cache, engine = status["totals"], status["cache"], status["engine"]
        self.assertEqual(totals["finished"], sum(status["finished_by_reason"].values()))
        self.assertEqual(totals["refused"], sum(status["refused_by_reason"].values()))
        self.assertGreater(totals["refused"], 0)
        for name, metric in (("cached_tokens", "prefix_cache_hits_total"),
                             ("draft_tokens", "spec_decode_num_draft_tokens_total"),
                             ("accepted_tokens", "spec_decode_num_accepted_tokens_total")):
            self.assertEqual(totals[name], self.server.metric(metric), name)
        self.assertEqual(engine["steps"], self.server.metric("engine_steps_total"))
        self.assertEqual((cache["pages"] - cache["free_pages"]) / cache["pages"],
                         self.server.metric("kv_cache_usage_perc"))
        self.assertLess(0, totals["generated_tokens"])
        self.assertLess(abs(status["now_s"] - time.time()), 5)
        self.assertLess(status["started_s"], status["now_s"])
        self.assertEqual((status["model"], status["draining"], status["has_keys"], status["keeps_usage"]),
                         ("tiny", False, False, False))

    def test_files_of_the_cache_are_told(self):
        folder = harness.Folder().path
        server = harness.Server(settings=[f'cache.directory="{folder}"'])
        server.chat("word " * 100)
        until(lambda: server.ok_get("/admin/status")["cache"]["disk_bytes"] > 0, "pages on disk")
        self.assertEqual(server.ok_get("/admin/status")["cache"]["disk_bytes"], server.metric("disk_cache_bytes"))
        self.assertEqual(self.server.ok_get("/admin/status")["cache"]["disk_bytes"], 0)
        server.stop()

    def test_history_adds_up(self):
        self.server.chat("Something")
        before = self.server.ok_get("/admin/status")["totals"]
        columns = until(lambda: self.sampled(before), "a sample with all of it")
        lengths = {len(values) for values in columns.values()}
        self.assertEqual(len(lengths), 1)
        self.assertEqual(columns["end_s"], sorted(columns["end_s"]))
        last = columns["end_s"][-1]
        self.assertEqual(self.server.ok_get(f"/admin/history?after={last + 1000}")["end_s"], [])
        if len(columns["end_s"]) > 1:
            self.assertEqual(self.server.ok_get(f"/admin/history?after={columns['end_s'][-2]!r}")["end_s"][:1], [last])

    def sampled(self, totals):
        columns = self.server.ok_get("/admin/history")
        sums = {name: sum(columns[name]) for name in totals}
        return columns if sums == totals else None


class AdminWithKeys(unittest.TestCase):
    def test_only_admins_look(self):
        accounts = Accounts()
        alice, root = accounts.add_key("alice"), accounts.add_key("root", "--admin")
        server = accounts.start()
        for path in PATHS:
            self.assertEqual(server.get(path)[0], 401, path)
            status, _, answer = server.get(path, bearer(alice))
            self.assertEqual((status, answer["error"]["code"]), (403, "admin_only"), path)
            self.assertEqual(server.get(path, bearer(root))[0], 200, path)
        asked = Asked(server, CHAT, chat_body("Hi", max_tokens=900, ignore_eos=True), bearer(alice))
        one = until(lambda: server.ok_get("/admin/requests", bearer(root))["data"], "the request")[0]
        self.assertEqual(one["key"], "alice")
        path = f"/admin/requests/{one['id']}"
        self.assertEqual(server.request("DELETE", path, headers=bearer(alice))[0], 403)
        self.assertEqual(server.request("DELETE", path, headers=bearer(root))[0], 200)
        self.assertEqual(asked.end()[0], 403)
        accounts.settled(1)
        self.assertEqual(accounts.rows("status, error_code"), [(403, "request_ended")])
        server.stop()

    def test_operators_look_while_the_server_goes_down(self):
        server = harness.Server(settings=["server.drain_delay_s=1"])
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        kept.request("GET", "/admin/status")
        self.assertFalse(json.loads(kept.getresponse().read())["draining"])
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.get("/ready")[0] == 503, "the drain")
        self.assertTrue(server.ok_get("/admin/status")["draining"])
        self.assertEqual(server.post(CHAT, chat_body())[0], 503)
        kept.close()
        server.stop()


if __name__ == "__main__":
    unittest.main()
