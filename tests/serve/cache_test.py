"""What prompts have in common is computed once, for one key alone: serving.md, section 7, checks 72 to 75."""
import pathlib
import signal
import time
import unittest

import harness
from accounts_test import Accounts, bearer
from harness import chat_body

PATH = "/v1/chat/completions"
# The byte tokenizer: a token a byte.
LONG = "".join(f"{i:04d} bottles of beer. " for i in range(80))
assert len(LONG) > 1500


def cached(answer):
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.accounts = Accounts(settings=["model.context_tokens=4096"])
        cls.keys = [cls.accounts.add_key(name) for name in ("alice", "bob")]
        cls.accounts.settings += ["model.cache_tokens=16384"]
        cls.server = cls.start()

    @classmethod
    def start(cls):
        accounts = cls.accounts
        return harness.Server(harness.model(max_position_embeddings=4096), settings=accounts.settings,
                              extra=["--config", str(accounts.config)])

    def ask(self, key, body, server=None):
        begin = time.monotonic()
        status, _, answer = (server or self.server).post(PATH, body, bearer(key))
        self.assertEqual(status, 200, answer)
        return answer, time.monotonic() - begin

    def test_72_a_prompt_twice_and_by_another_key(self):
        alice, bob = self.keys
        body = chat_body("Check 72. " + LONG[:1000], max_tokens=1)
        first, _ = self.ask(alice, body)
        again, again_s = self.ask(alice, body)
        self.assertEqual(cached(first), 0)
        self.assertGreaterEqual(cached(again), 960)
        self.assertEqual(again["choices"], first["choices"])
        other, other_s = self.ask(bob, body)
        self.assertEqual(cached(other), 0)
        self.assertGreater(other_s, again_s)

    def test_72_a_salt_splits_what_a_key_has(self):
        body = chat_body("A salt. " + LONG[:1000], max_tokens=1)
        self.ask(self.keys[0], body)
        self.assertEqual(cached(self.ask(self.keys[0], body | {"cache_salt": "x"})[0]), 0)
        self.assertGreaterEqual(cached(self.ask(self.keys[0], body | {"cache_salt": "x"})[0]), 960)

    def test_73_behind_a_thinking_turn(self):
        turn = {"role": "user", "content": "Check 73. " + LONG[:600]}
        first, _ = self.ask(self.keys[0], chat_body(messages=[turn], thinking={"type": "enabled"},
                                                    max_tokens=40))
        before_thought = first["usage"]["prompt_tokens"]
        answer = {"role": "assistant", "content": "Yes."}
        second, _ = self.ask(self.keys[0], chat_body(messages=[turn, answer, {"role": "user", "content": "And?"}],
                                                     thinking={"type": "enabled"}, max_tokens=1))
        self.assertGreaterEqual(cached(second), before_thought - 128)

    def test_74_a_tool_turn_whose_arguments_were_written_again(self):
        tool = {"type": "function", "function": {"name": "find", "parameters": {
            "type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}}}
        question = {"role": "user", "content": "Check 74. " + LONG[:400]}

        def turns(arguments):
            call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": arguments}}
            return [question, {"role": "assistant", "content": None, "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": "c", "content": "found"}]
        first, _ = self.ask(self.keys[0], chat_body(messages=turns('{"a":"x","b":1}'), tools=[tool], max_tokens=1))
        again, _ = self.ask(self.keys[0], chat_body(messages=turns('{ "a": "x",  "b": 1 }'), tools=[tool], max_tokens=1))
        self.assertGreaterEqual(cached(again), first["usage"]["prompt_tokens"] - 1)


class Disk(unittest.TestCase):
    def setUp(self):
        self.folder = harness.Folder().path / "pages"
        self.accounts = Accounts(settings=["model.context_tokens=4096", f"cache.directory={self.folder}",
                                           "cache.max_gib=1"])
        self.key = self.accounts.add_key("alice")
        self.body = chat_body("Check 75. " + LONG[:1000], max_tokens=4)

    def start(self):
        self.server = harness.Server(harness.model(max_position_embeddings=4096), settings=self.accounts.settings,
                                     extra=["--config", str(self.accounts.config)])

    def ask(self):
        status, _, answer = self.server.post(PATH, self.body, bearer(self.key))
        self.assertEqual(status, 200, answer)
        return answer

    def count(self, name):
        text = self.server.request("GET", "/metrics", headers=bearer(self.key))[2]
        return float(next(line for line in text.splitlines() if line.startswith(f"fathom_{name}{{")).split()[1])

    def pages(self):
        return list(pathlib.Path(self.folder).glob("*.page"))

    def until(self, done, what):
        end = time.monotonic() + 20
        while not done():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def kill(self):
        self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait()

    def test_75_pages_outlive_a_kill_and_damage_is_a_miss(self):
        self.start()
        first = self.ask()
        self.until(lambda: len(self.pages()) >= 8, "eight pages on disk")
        self.assertEqual(self.folder.stat().st_mode & 0o777, 0o700)
        self.kill()
        self.start()
        self.until(lambda: self.count("disk_cache_bytes") > 0, "the files are known")
        again = self.ask()
        self.assertGreaterEqual(cached(again), 960)
        self.assertEqual(again["choices"], first["choices"])
        self.assertGreater(self.count("disk_cache_hits_total"), 0)
        self.kill()
        for page in self.pages():
            data = bytearray(page.read_bytes())
            data[len(data) // 2] ^= 1
            page.write_bytes(data)
        self.start()
        self.until(lambda: self.count("disk_cache_bytes") > 0, "the files are known")
        damaged = self.ask()
        self.assertEqual(damaged["choices"], first["choices"])
        self.assertGreater(self.count("disk_cache_corrupt_total"), 0)

    def test_a_revoked_keys_pages_go(self):
        self.start()
        self.ask()
        self.until(lambda: len(self.pages()) >= 8, "eight pages on disk")
        self.accounts.run("keys", "revoke", "alice", "--config", str(self.accounts.config))
        self.until(lambda: not self.pages(), "the pages go")

    def test_a_key_that_was_revoked_while_no_server_ran(self):
        self.start()
        self.ask()
        self.until(lambda: len(self.pages()) >= 8, "eight pages on disk")
        self.kill()
        self.accounts.run("keys", "revoke", "alice", "--config", str(self.accounts.config))
        self.start()
        self.until(lambda: not self.pages(), "the pages go")

    def test_two_servers_do_not_share_a_folder(self):
        self.start()
        second = harness.serve("--model", str(harness.model(max_position_embeddings=4096)), "--port", "0",
                               "--set", f"cache.directory={self.folder}")
        self.assertNotEqual(second.returncode, 0)
        self.assertIn(f"cache.directory: {self.folder}: another process", second.stderr)
        self.assertNotIn("listening", second.stderr)


if __name__ == "__main__":
    unittest.main()
