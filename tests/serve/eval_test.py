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
ITEMS = [{"thing": f"thing {i}", "options": ["blue", "green", "a loud one"][:2 + i % 2], "right": i % 2}
         for i in range(8)]


class Eval(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder, cls.server = harness.Folder().path, harness.Server()
        for name, text in (("colours", COLOURS), ("words", WORDS), ("texts", TEXTS)):
            (cls.folder / f"{name}.toml").write_text(text)
        (cls.folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in ITEMS))

    def fathom(self, *arguments, check=True):
        return subprocess.run([harness.FATHOM, "eval", *arguments, "--data", str(self.folder)], cwd=self.folder,
                              check=check, capture_output=True, text=True, env=harness.environment())

    def samples(self, out, task):
        [file] = (self.folder / out).glob(f"*/samples_{task}_*.jsonl")
        return [json.loads(line) for line in file.read_text().splitlines()]

    def url(self):
        return f"http://127.0.0.1:{self.server.port}/v1"

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
