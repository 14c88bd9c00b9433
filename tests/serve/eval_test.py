"""`fathom eval --endpoint` against a real server: what a model says in the same process it says over HTTP."""
import http.server
import json
import shutil
import subprocess
import threading
import unittest

import harness

COLOURS = """output = "multiple_choice"
[source.own]
test = ["items.jsonl"]
[prompt.lm-eval]
text = "The colour of {{thing}} is"
choices = "{{options}}"
gold = "{{right}}"
shots = 2
metrics = ["acc", "acc_norm", "acc_mutual_info"]
"""
WORDS = """output = "generate_until"
[source.own]
test = ["items.jsonl"]
[prompt.lm-eval]
text = "{{thing}} is"
target = "{{right|pick(options)}}"
stop = ["e", "a", "t", "o", "n"]
max_tokens = 12
metrics = ["exact_match"]
"""
TEXTS = """output = "loglikelihood_rolling"
[source.own]
test = ["items.jsonl"]
[prompt.lm-eval]
target = "{{thing}} {{options[0]}}"
window = 8
stride = 4
metrics = ["bits_per_byte"]
"""
JUDGED = """output = "generate_until"
[source.own]
test = ["items.jsonl"]
[prompt.lm-eval]
text = "{{thing}} is"
target = "{{right|pick(options)}}"
max_tokens = 6
metrics = ["correct"]
[prompt.lm-eval.judge]
text = "Is {{thing}} {{right|pick(options)}}, as in: {{answer}}?"
verdict = "{{answer|find('yes|no')}}"
labels = ["yes: correct"]
"""
ITEMS = [{"thing": f"thing {i}", "options": ["blue", "green", "a loud one"][:2 + i % 2], "right": i % 2}
         for i in range(8)]


class Eval(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder, cls.server = harness.Folder().path, harness.Server()
        for name, text in (("colours", COLOURS), ("words", WORDS), ("texts", TEXTS), ("judged", JUDGED)):
            (cls.folder / f"{name}.toml").write_text(text)
        (cls.folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in ITEMS))

    def fathom(self, *arguments, check=True, **environment):
        return subprocess.run([harness.FATHOM, "eval", *arguments, "--data", str(self.folder)], cwd=self.folder,
                              check=check, capture_output=True, text=True,
                              env={**harness.environment(), **environment})

    def samples(self, out, task):
        [file] = (self.folder / out).glob(f"*/samples_{task}_*.jsonl")
        return [json.loads(line) for line in file.read_text().splitlines()]

    def url(self):
        return f"http://127.0.0.1:{self.server.port}/v1"

    def test_loads_that_a_server_records_are_those_that_eval_counts(self):
        """Of the same requests, on one rank and on two; `fathom plan balance` reads both."""
        self.fathom(str(harness.model()), "--tasks", "words.toml", "--loads", "own.json")
        own = json.loads((self.folder / "own.json").read_text())["loads"]
        self.assertGreater(sum(map(sum, own)), 0)
        for ranks in (1, 2):
            file = self.folder / f"served_{ranks}.json"
            server = harness.Server(settings=[f"model.loads_file={file}", f"ranks.count={ranks}", "server.drain_delay_s=0"])
            self.fathom("--endpoint", f"http://127.0.0.1:{server.port}/v1", "--endpoint-model", "tiny",
                        "--tokenizer", str(harness.model()), "--tasks", "words.toml")
            server.process.terminate()
            self.assertEqual(server.process.wait(30), 0)
            self.assertEqual(json.loads(file.read_text())["loads"], own, f"{ranks} ranks")
            balance = subprocess.run([harness.FATHOM, "plan", "balance", str(file), "--gpus", "2"],
                                     check=True, capture_output=True, text=True, env=harness.environment())
            self.assertIn("tokens dealt to replicas", balance.stdout)

    def test_loads_of_a_model_without_experts_or_in_a_place_that_is_none_are_refused(self):
        dense = harness.model(n_routed_experts=None)
        refused = harness.serve("--model", str(dense), "--port", "0", "--set", "model.loads_file=/tmp/x.json")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("model.loads_file", refused.stderr)
        self.assertIn("has no experts", refused.stderr)
        refused = harness.serve("--model", str(harness.model()), "--port", "0", "--set",
                                "model.loads_file=/nowhere/x.json")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("/nowhere", refused.stderr)

    def test_log_probabilities_and_texts_are_those_of_the_process(self):
        tasks = ["--tasks", "colours.toml,words.toml,texts.toml"]
        self.fathom(str(harness.model()), *tasks, "--out", "local")
        self.fathom("--endpoint", self.url(), "--endpoint-model", "tiny", "--tokenizer", str(harness.model()), *tasks,
                    "--context", "512", "--out", "remote")
        for task in ("colours", "words", "texts"):
            local, remote = self.samples("local", task), self.samples("remote", task)
            self.assertEqual(len(local), len(ITEMS))
            for here, there in zip(local, remote):
                self.assertEqual(here["prompt_hash"], there["prompt_hash"])
                for (a,), (b,) in zip(here["resps"], there["resps"]):
                    if task == "words":
                        self.assertEqual(a, b)
                    elif task == "texts":
                        self.assertAlmostEqual(float(a), float(b), delta=1e-3)
                    else:
                        self.assertAlmostEqual(float(a[0]), float(b[0]), delta=1e-4)
                        self.assertEqual(a[1], b[1])

    def test_answers_are_known_again_by_the_tokenizer_too(self):
        """Another tokenizer sends other token ids, so that its answers are others."""
        other = self.folder / "other"
        shutil.copytree(harness.model(), other)
        with open(other / "tokenizer.json", "a") as file:
            file.write("\n")

        def ask(tokenizer):
            return self.fathom("--endpoint", self.url(), "--endpoint-model", "tiny", "--tokenizer", str(tokenizer),
                               "--tasks", "colours.toml", "--context", "512", "--out", "again").stderr
        self.assertNotIn("answers were there", ask(harness.model()))
        self.assertIn("answers were there", ask(harness.model()))
        self.assertNotIn("answers were there", ask(other))

    def test_chat_is_generation_alone(self):
        answer = self.fathom("--endpoint", self.url(), "--endpoint-model", "tiny", "--chat", "--tasks", "words.toml",
                             "--json")
        self.assertEqual(json.loads(answer.stdout)["results"]["words"]["sample_len"], len(ITEMS))

    def answers(self, out, *arguments):
        self.fathom(*arguments, "--tasks", "words.toml", "--out", out)
        return [sample["resps"] for sample in self.samples(out, "words")]

    def test_conversations_and_draws_are_the_same_in_the_process(self):
        template = ["--chat-template", "deepseek-v3.1"]
        for name, options in (("chat", ["--chat"]), ("drawn", ["--samples", "3", "--temperature", "0.9", "--seed", "5"]),
                              ("both", ["--chat", "--samples", "2", "--temperature", "1"])):
            with self.subTest(name):
                chat = template if "--chat" in options else []
                own = self.answers("own-" + name, str(harness.model()), *options, *chat)
                served = self.answers("served-" + name, "--endpoint", self.url(), "--endpoint-model", "tiny", *options)
                self.assertEqual(own, served)
                self.assertTrue(any(text for each in own for text in each[0]))
        drawn = [sample["resps"] for sample in self.samples("own-drawn", "words")]
        self.assertTrue(all(len(each[0]) == 3 for each in drawn))
        self.assertTrue(any(len(set(each[0])) > 1 for each in drawn))  # the samples have seeds of their own

    def test_a_judge_is_asked_once_and_gets_its_own_key(self):
        seen, lock = [], threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                question = body["messages"][0]["content"]
                with lock:
                    seen.append((self.path, self.headers["Authorization"], body["model"], question))
                reply = json.dumps({"choices": [{"message": {"content": "yes" if "thing 3" in question else "no"},
                                                 "finish_reason": "stop"}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            for _ in range(2):
                answer = self.fathom(str(harness.model()), "--tasks", "judged.toml", "--out", "judged", "--json", "--judge",
                                     f"http://127.0.0.1:{server.server_port}/v1", "--judge-model", "wise",
                                     OPENAI_API_KEY="no", JUDGE_API_KEY="secret")
        finally:
            server.shutdown()
            server.server_close()
        results = json.loads(answer.stdout)
        self.assertEqual(results["results"]["judged"]["correct,none"], 1 / len(ITEMS))
        self.assertEqual(results["fathom"]["judge"], "wise")
        self.assertIn("8 verdicts were there", answer.stderr)
        self.assertEqual({each[:3] for each in seen}, {("/v1/chat/completions", "Bearer secret", "wise")})
        self.assertEqual(len(seen), len(ITEMS))
        self.assertTrue(all(f"Is thing {i} " in "".join(each[3] for each in seen) for i in range(8)))

    def refused(self, *arguments):
        answer = self.fathom(*arguments, check=False)
        self.assertEqual(answer.returncode, 1, answer.stderr)
        return answer.stderr

    def test_what_is_wrong_is_said_once(self):
        scored = ["--tasks", "colours.toml"]
        self.assertIn("--tokenizer", self.refused("--endpoint", self.url(), *scored))
        self.assertIn("expected http://HOST:PORT", self.refused("--endpoint", "127.0.0.1:80", *scored))
        tokenizer = ["--tokenizer", str(harness.model())]
        self.assertIn("refused", self.refused("--endpoint", "http://127.0.0.1:1/v1", *scored, *tokenizer))
        self.assertIn("status 404", self.refused("--endpoint", self.url() + "/no", "--endpoint-model", "tiny", *scored,
                                                 *tokenizer))

    def test_a_busy_server_is_asked_again_with_the_key(self):
        seen = []
        reply = json.dumps({"choices": [{"message": {"content": "blue"}, "finish_reason": "stop"}]}).encode()
        lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    seen.append((self.headers["Authorization"], body["model"], body["temperature"]))
                    status = {1: 503, 2: 429}.get(len(seen), 200)
                self.send_response(status)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            answer = self.fathom("--endpoint", f"http://127.0.0.1:{server.server_port}", "--endpoint-model", "x",
                                 "--chat", "--connections", "2", "--tasks", "words.toml", "--json",
                                 OPENAI_API_KEY="secret")
        finally:
            server.shutdown()
            server.server_close()
        self.assertEqual(json.loads(answer.stdout)["results"]["words"]["sample_len"], len(ITEMS))
        self.assertEqual(seen, [("Bearer secret", "x", 0)] * (len(ITEMS) + 2))

    def test_servers_of_any_kind_are_survived(self):
        """Each reply is wrong in its own way; the message names the field."""
        replies = {
            b"not json": "reply", b"{}": "choices", b'{"choices": []}': "choices: is empty",
            b'{"choices": [{"text": "a"}]}': "logprobs",
            b'{"choices": [{"logprobs": {"token_logprobs": [null], "top_logprobs": [null]}}]}': "came back",
        }
        for body, expected in replies.items():
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_POST(self, body=body):
                    self.rfile.read(int(self.headers["Content-Length"]))
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

                def log_message(self, *_):
                    pass
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            message = self.refused("--endpoint", f"http://127.0.0.1:{server.server_port}", "--endpoint-model", "x",
                                   "--tokenizer", str(harness.model()), "--tasks", "colours.toml")
            server.shutdown()
            server.server_close()
            self.assertEqual(len(message.strip().splitlines()), 1, message)
            if expected != "reply":
                self.assertIn(expected, message)


if __name__ == "__main__":
    unittest.main()
