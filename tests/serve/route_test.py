"""`fathom route` before two real servers: answers, prefixes, refusals, settings and keys."""
import http.client
import json
import socket
import subprocess
import time
import unittest

import harness
from harness import chat_body
from router import PATH, Router, plain, route


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
