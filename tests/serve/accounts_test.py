"""Keys, limits and usage of a real server: serving.md, section 7, checks 2, 79, 90, 91 and the kill of section 5."""
import http.client
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import time
import unittest

import harness
from harness import chat_body

PATH = "/v1/chat/completions"


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


class Accounts:
    """A server with a database, and the commands that speak to it."""

    def __init__(self, settings=(), toml=""):
        folder = harness.Folder().path
        self.database = folder / "usage.db"
        self.config = folder / "serve.toml"
        self.config.write_text(f'[accounts]\ndatabase = "{self.database}"\n{toml}')
        self.settings = list(settings)
        self.server = None

    def start(self):
        self.server = harness.Server(settings=self.settings, extra=["--config", str(self.config)])
        return self.server

    def run(self, *words):
        return subprocess.run([harness.FATHOM, *words], env=harness.environment(), check=True,
                              capture_output=True, text=True).stdout

    def add_key(self, name, *options):
        return self.run("keys", "add", name, "--config", str(self.config), *options).strip()

    def usage(self, *options):
        return json.loads(self.run("usage", "--config", str(self.config), "--json", *options))

    def rows(self, columns="*"):
        with sqlite3.connect(self.database) as database:
            return database.execute(f"SELECT {columns} FROM usage").fetchall()

    def settled(self, count, seconds=5):
        end = time.monotonic() + seconds
        while len(self.rows()) < count and time.monotonic() < end:
            time.sleep(0.05)
        return self.rows()


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.accounts = Accounts(toml='[prices.all]\ninput = 0.27\ncached = 0.07\noutput = 1.1\n')
        cls.alice = cls.accounts.add_key("alice")
        cls.admin = cls.accounts.add_key("root", "--admin")
        cls.server = cls.accounts.start()

    def status(self, method, path, key=None, body=None):
        return self.server.request(method, path, body, bearer(key) if key else None)[0]

    def test_02_a_key_is_needed_and_comes_in_three_headers(self):
        for path in ("/v1/models", "/metrics", "/v1/usage"):
            self.assertEqual(self.server.get(path)[0], 401, path)
            self.assertEqual(self.server.get(path, bearer("sk-fathom-wrong"))[0], 401, path)
            for headers in (bearer(self.alice), {"x-api-key": self.alice}, {"api-key": self.alice}):
                self.assertEqual(self.server.get(path, headers)[0], 200, (path, list(headers)))
        self.assertEqual(self.server.post("/tokenize", {"prompt": "a"})[0], 401)
        self.assertEqual(self.server.post("/tokenize", {"prompt": "a"}, bearer(self.alice))[0], 200)
        for path in ("/health", "/live", "/ready"):
            self.assertEqual(self.server.get(path)[0], 200)
        error = self.server.get("/v1/models")[2]["error"]
        self.assertEqual((error["type"], error["code"]), ("authentication_error", "invalid_api_key"))

    def test_a_running_server_learns_of_keys(self):
        name = "late"
        key = self.accounts.add_key(name)
        self.wait_for(key, 200)
        self.accounts.run("keys", "revoke", name, "--config", str(self.accounts.config))
        self.wait_for(key, 401)

    def wait_for(self, key, status):
        end = time.monotonic() + 5
        while self.status("GET", "/v1/models", key) != status:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)

    def test_79_rates_and_quotas_are_429(self):
        slow = self.accounts.add_key("slow", "--requests-per-minute", "2")
        self.wait_for(slow, 200)
        send = lambda key: self.server.post(PATH, chat_body(max_tokens=1), bearer(key))
        status, headers, _ = send(slow)
        self.assertEqual(status, 200)
        self.assertEqual(headers["x-ratelimit-limit-requests"], "2")
        self.assertEqual(send(slow)[0], 200)
        began = time.monotonic()
        status, headers, answer = send(slow)
        self.assertEqual((status, answer["error"]["code"]), (429, "rate_limit_exceeded"))
        self.assertLess(time.monotonic() - began, 0.5)
        self.assertTrue(1 <= int(headers["Retry-After"]) <= 60, headers["Retry-After"])
        self.assertTrue(int(headers["retry-after-ms"]) <= 60000)
        self.assertIsNone(headers["x-should-retry"])

        poor = self.accounts.add_key("poor", "--quota-tokens", "5")
        self.wait_for(poor, 200)
        status, headers, answer = send(poor)
        self.assertEqual((status, answer["error"]["code"]), (429, "insufficient_quota"))
        self.assertEqual(headers["x-should-retry"], "false")

    def test_admins_alone_read_everything(self):
        for path in ("/admin/usage", "/admin/keys"):
            self.assertEqual(self.status("GET", path, self.alice), 403)
            self.assertEqual(self.status("GET", path, self.admin), 200)
        self.assertEqual(self.status("POST", "/admin/keys", self.alice, {"name": "x"}), 403)
        status, _, made = self.server.post("/admin/keys", {"name": "http", "budget": 1.5,
                                                           "period": "day"}, bearer(self.admin))
        self.assertEqual((status, made["budget"], made["period"]), (200, "1.50", "day"))
        self.wait_for(made["key"], 200)
        _, _, keys = self.server.get("/admin/keys", bearer(self.admin))
        self.assertIn("http", [key["name"] for key in keys["data"]])
        self.assertNotIn(made["key"], json.dumps(keys))
        self.assertEqual(self.status("POST", "/admin/keys", self.admin, {"name": "http"}), 400)
        self.assertEqual(self.status("POST", "/admin/keys", self.admin, {"name": "a b"}), 400)
        self.assertEqual(self.status("POST", "/admin/keys", self.admin, {"name": "c", "weight": 0}), 400)
        self.assertEqual(self.status("DELETE", "/admin/keys/http", self.admin), 200)
        self.assertEqual(self.status("DELETE", "/admin/keys/http", self.admin), 404)
        self.wait_for(made["key"], 401)
        self.assertEqual(self.status("GET", "/admin/usage?by=hour", self.admin), 400)
        self.assertEqual(self.status("GET", "/admin/usage?until=2026-01-01", self.admin), 400)
        status, headers, text = self.server.get("/admin/usage?format=csv&by=key", bearer(self.admin))
        self.assertEqual((status, headers["Content-Type"]), (200, "text/csv; charset=utf-8"))
        self.assertTrue(text.startswith("key,requests,"), text)


class Usage(unittest.TestCase):
    def test_90_every_request_is_a_row_and_sums_are_those_of_the_answers(self):
        accounts = Accounts(settings=["model.context_tokens=1024"],
                            toml='[prices.all]\ninput = 0.27\ncached = 0.07\noutput = 1.1\n')
        alice, bob = accounts.add_key("alice"), accounts.add_key("bob")
        server = accounts.start()
        marker = "Xyzzymarker"
        told = {"alice": [0, 0], "bob": [0, 0]}
        for i in range(15):
            name, key = (("alice", alice), ("bob", bob))[i % 2]
            status, _, answer = server.post(PATH, chat_body(f"{marker} {i}", max_tokens=4 + i, user="u"),
                                            bearer(key))
            self.assertEqual(status, 200, answer)
            told[name][0] += answer["usage"]["prompt_tokens"]
            told[name][1] += answer["usage"]["completion_tokens"]
        for _ in range(5):
            self.cancel(server, alice, marker)
        rows = accounts.settled(20)
        self.assertEqual(len(rows), 20)
        cancelled = [row for row in accounts.rows("status, prompt_tokens, completion_tokens")
                     if row[0] == 499]
        self.assertEqual(len(cancelled), 5)
        self.assertTrue(all(row[1] > 0 and row[2] > 0 for row in cancelled), cancelled)
        for (prompt, cached, generated, price_in, price_cached, price_out, cost) in accounts.rows(
                "prompt_tokens, cached_tokens, completion_tokens, price_in, price_cached, price_out, cost"):
            exact = (prompt - cached) * price_in + cached * price_cached + generated * price_out
            self.assertEqual(cost, (exact + 500_000) // 1_000_000)
            self.assertEqual((price_in, price_cached, price_out), (270_000_000, 70_000_000, 1_100_000_000))
        bobs = accounts.usage("--by", "key", "--key", "bob")["usage"][0]
        self.assertEqual([bobs["prompt_tokens"], bobs["completion_tokens"]], told["bob"])
        total = accounts.usage("--by", "day,model,user")["total"]
        self.assertEqual(total["requests"], 20)
        self.assertEqual(total["errors"], 5)
        self.assertEqual(total["completion_tokens"],
                         sum(told[n][1] for n in told) + sum(row[2] for row in cancelled))
        _, _, own = server.get("/v1/usage?by=user", bearer(bob))
        self.assertEqual(own["total"]["completion_tokens"], told["bob"][1])
        metrics = server.get("/metrics", bearer(bob))[2]
        self.assertIn("fathom_usage_database_up 1", metrics)
        server.stop()
        # Check 91: nothing of what was said is kept.
        kept = "".join(server.log).encode()
        for file in accounts.database.parent.iterdir():
            kept += file.read_bytes()
        self.assertNotIn(marker.encode(), kept)
        self.assertNotIn(alice.encode(), kept)

    def test_90_who_goes_away_pays_for_what_was_computed(self):
        accounts = Accounts(settings=["limits.max_running=1", "server.drain_delay_s=0"],
                            toml='[prices.all]\ninput = 1\n')
        key = accounts.add_key("alice")
        server = accounts.server = harness.Server(
            path=harness.model(max_position_embeddings=65536), settings=accounts.settings,
            extra=["--config", str(accounts.config)])
        metric = lambda name: float(server.get("/metrics", bearer(key))[2].split(f"fathom_{name}{{")[1]
                                    .split("}", 1)[1].split()[0])
        def send(content):
            body = json.dumps(chat_body(content, max_tokens=60000, ignore_eos=True, stream=True))
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            connection.request("POST", PATH, body, bearer(key) | {"Content-Type": "application/json"})
            return connection
        def gone(connection, count):
            connection.close()
            return accounts.settled(count)
        running = send("Hi")
        while metric("num_requests_running") != 1:
            time.sleep(0.01)
        waiting = send("word " * 200)
        while metric("num_requests_waiting") != 1:
            time.sleep(0.01)
        self.assertEqual(len(gone(waiting, 1)), 1)
        self.assertEqual(accounts.rows("status, prompt_tokens, completion_tokens, cost"), [(499, 0, 0, 0)])
        gone(running, 2)
        reading = send("word " * 12000)
        response = reading.getresponse()
        while metric("num_requests_running") != 1:
            time.sleep(0.01)
        time.sleep(0.3)
        response.close()
        gone(reading, 3)
        prompt, cached, cost = accounts.rows("prompt_tokens, cached_tokens, cost")[-1]
        self.assertGreater(prompt, 0)
        self.assertLess(prompt, 60000, "its prompt was not read to the end")
        self.assertEqual(cost, (prompt - cached) * 1000)
        text = server.get("/metrics", bearer(key))[2]
        for phase in ("queue", "prefill", "decode"):
            self.assertIn(f'phase="{phase}"}} 1', text)

    def cancel(self, server, key, marker):
        """Leaves a stream after its first text."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        body = chat_body(marker, max_tokens=800, ignore_eos=True, stream=True)
        connection.request("POST", PATH, json.dumps(body), bearer(key) | {"Content-Type": "application/json"})
        response = connection.getresponse()
        for _ in range(8):
            response.readline()
        response.close()
        connection.close()


class Killed(unittest.TestCase):
    def test_a_killed_server_loses_the_last_second_at_most(self):
        accounts = Accounts()
        key = accounts.add_key("alice")
        rounds = int(os.environ.get("FATHOM_KILLS", "3"))
        answered = 0
        for _ in range(rounds):
            server = accounts.start()
            end = time.monotonic() + 1.5 + random.random()
            times = []
            while time.monotonic() < end:
                self.assertEqual(server.post(PATH, chat_body(max_tokens=1), bearer(key))[0], 200)
                times.append(time.monotonic())
            server.process.send_signal(signal.SIGKILL)
            killed = time.monotonic()
            server.process.wait()
            before = answered
            with sqlite3.connect(accounts.database) as database:
                self.assertEqual(database.execute("PRAGMA integrity_check").fetchone()[0], "ok")
                answered = database.execute("SELECT COUNT(*) FROM usage").fetchone()[0]
                sums = database.execute("SELECT SUM(requests) FROM usage_daily").fetchone()[0]
            self.assertEqual(answered, sums)
            self.assertGreaterEqual(answered - before, sum(t < killed - 1 for t in times))


class Audit(unittest.TestCase):
    def lines(self, level):
        accounts = Accounts()
        folder = accounts.database.parent / "audit"
        with accounts.config.open("a") as file:
            file.write(f'audit = "{level}"\naudit_folder = "{folder}"\n')
        key = accounts.add_key("alice")
        server = accounts.start()
        headers = bearer(key)
        self.assertEqual(server.post(PATH, chat_body("Xyzzy?", max_tokens=5), headers)[0], 200)
        text = server.post(PATH, chat_body("Plugh?", max_tokens=5, stream=True), headers)[2]
        said = "".join(json.loads(line[6:])["choices"][0]["delta"].get("content", "")
                       for line in text.split("\n") if line.startswith("data: {"))
        self.assertEqual(server.post(PATH, chat_body(), bearer("sk-fathom-no"))[0], 401)
        server.stop()
        files = list(folder.glob("audit-*.jsonl"))
        self.assertEqual([oct(file.stat().st_mode & 0o777) for file in files], ["0o600"])
        # A stream's line is written when it has been let go, perhaps after the next request's.
        lines = [json.loads(line) for line in files[0].read_text().splitlines()]
        return sorted(lines, key=lambda line: (line["status"], line.get("stream"))), said

    def test_metadata_has_no_words(self):
        lines, _ = self.lines("metadata")
        self.assertEqual([line["status"] for line in lines], [200, 200, 401])
        self.assertEqual([line.get("key") for line in lines], ["alice", "alice", None])
        self.assertEqual(lines[0]["peer"], "127.0.0.1")
        self.assertNotIn("Xyzzy", json.dumps(lines))

    def test_the_client_behind_a_trusted_proxy_is_named(self):
        for trusted, peer in (('[]', "127.0.0.1"), ('["127.0.0.1", "10.0.0.0/8"]', "203.0.113.9")):
            accounts = Accounts(settings=[f"server.trusted_proxies={trusted}"])
            folder = accounts.database.parent / "audit"
            with accounts.config.open("a") as file:
                file.write(f'audit = "metadata"\naudit_folder = "{folder}"\n')
            headers = bearer(accounts.add_key("alice")) | {"X-Forwarded-For": "192.0.2.1, 203.0.113.9, 10.0.0.7"}
            server = accounts.start()
            self.assertEqual(server.post(PATH, chat_body(max_tokens=1), headers)[0], 200)
            server.stop()
            file, = folder.glob("audit-*.jsonl")
            self.assertEqual(json.loads(file.read_text())["peer"], peer)

    def test_content_has_what_was_asked_and_answered(self):
        lines, said = self.lines("content")
        self.assertEqual(lines[0]["asked"]["messages"][0]["content"], "Xyzzy?")
        self.assertEqual([answer["content"] for answer in lines[1]["answers"]], [said])
        self.assertEqual(lines[2]["error_code"], "invalid_api_key")


class Files(unittest.TestCase):
    def test_static_keys_and_prices_are_read_again_at_sighup(self):
        accounts = Accounts()
        table = accounts.run("keys", "add", "carol", "--static")
        secret = table.splitlines()[0].removeprefix("# ")
        server = accounts.start()
        self.assertEqual(server.get("/v1/models", bearer(secret))[0], 401)
        good = accounts.config.read_text() + table
        accounts.config.write_text(good)
        server.process.send_signal(signal.SIGHUP)
        self.until(lambda: server.get("/v1/models", bearer(secret))[0] == 200)
        accounts.config.write_text(good + "\nnonsense =")
        server.process.send_signal(signal.SIGHUP)
        self.until(lambda: any("nonsense" in line or "serve.toml" in line for line in server.log))
        self.assertEqual(server.get("/v1/models", bearer(secret))[0], 200, "the old file holds")

    def until(self, done):
        end = time.monotonic() + 5
        while not done():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)


if __name__ == "__main__":
    unittest.main()
