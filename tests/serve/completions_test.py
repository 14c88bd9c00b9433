"""POST /v1/completions as lm-evaluation-harness reads it, and the tokenizer: checks 36 to 46."""
import json
import random
import subprocess
import unittest

import harness

PATH = "/v1/completions"


class Completions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(settings=["model.context_tokens=512"])

    def ids(self, count, seed=3):
        return [random.Random(seed + i).randrange(20, 270) for i in range(count)]

    def echo(self, prompt, **fields):
        body = {"model": "tiny", "prompt": prompt, "temperature": 0, "max_tokens": 1, "logprobs": 1,
                "seed": 1234, "echo": True}
        return self.server.ok(PATH, body | fields)["choices"]

    def check_entry(self, logprobs, i):
        """What the harness counts on: its token is greedy exactly if it has the largest number."""
        value, tops = logprobs["token_logprobs"][i], logprobs["top_logprobs"][i]
        self.assertEqual(tops[logprobs["tokens"][i]], value)
        self.assertLessEqual(len(tops), 2)
        self.assertLessEqual(value, max(tops.values()))

    def test_36_38_echo_of_token_ids(self):
        prompts = [self.ids(n, n) for n in (7, 20, 33, 64)]
        choices = self.echo(prompts)
        self.assertEqual([c["index"] for c in choices], [0, 1, 2, 3])
        beside = 0
        for prompt, choice in zip(prompts, choices):
            logprobs = choice["logprobs"]
            for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
                self.assertEqual(len(logprobs[name]), len(prompt) + 1, name)
            self.assertIsNone(logprobs["token_logprobs"][0])
            self.assertIsNone(logprobs["top_logprobs"][0])
            for i in range(1, len(prompt) + 1):
                self.check_entry(logprobs, i)
                beside += len(logprobs["top_logprobs"][i]) == 2
            # The generated one is greedy.
            last = logprobs["token_logprobs"][-1]
            self.assertEqual(last, max(logprobs["top_logprobs"][-1].values()))
        self.assertGreater(beside, 50, "tokens that are not the likeliest")

    def test_37_the_entry_of_an_end_token(self):
        prompt = self.ids(9)
        free = self.echo([prompt], return_tokens_as_token_ids=True)[0]["logprobs"]["tokens"][-1]
        choice = self.echo([prompt], stop_token_ids=[int(free.split(":")[1])])[0]
        self.assertEqual(len(choice["logprobs"]["token_logprobs"]), len(prompt) + 1)
        self.assertEqual(choice["finish_reason"], "stop")
        eos = self.echo([prompt], logit_bias={"1": 100})[0]
        self.assertEqual(len(eos["logprobs"]["token_logprobs"]), len(prompt) + 1)
        self.check_entry(eos["logprobs"], len(prompt))
        self.assertEqual(eos["finish_reason"], "stop")

    def test_39_ids_are_used_as_they_are(self):
        usage = self.server.ok(PATH, {"prompt": self.ids(12), "max_tokens": 1})["usage"]
        self.assertEqual(usage["prompt_tokens"], 12)
        for special, more in ((True, 1), (False, 0)):
            body = {"prompt": "hello", "add_special_tokens": special}
            plain = self.server.ok("/tokenize", {"prompt": "hello", "add_special_tokens": False})
            usage = self.server.ok(PATH, body | {"max_tokens": 1})["usage"]
            self.assertEqual(usage["prompt_tokens"], plain["count"] + more)

    def test_40_echo_without_generation(self):
        prompt = self.ids(15)
        choice = self.echo([prompt], max_tokens=0)[0]
        self.assertEqual(len(choice["logprobs"]["tokens"]), 15)
        self.assertEqual(choice["logprobs"]["token_logprobs"],
                         self.echo([prompt])[0]["logprobs"]["token_logprobs"][:-1])
        text = self.server.ok(PATH, {"prompt": "as it is", "echo": True, "max_tokens": 0})
        self.assertEqual(text["choices"][0]["text"], "as it is")
        self.assertEqual(text["usage"]["completion_tokens"], 0)

    def test_41_the_numbers_are_those_of_score(self):
        ids = self.ids(60)
        score = json.loads(subprocess.run(
            [harness.FATHOM, "score", "--model", str(harness.model()), "--json", "--token-ids",
             ",".join(map(str, ids))], check=True, capture_output=True, text=True,
            env=harness.environment()).stdout)
        want = [token["log_prob"] for token in score["tokens"][1:]]
        for drafts in (0, 3):
            server = self.server if drafts else harness.Server(settings=["model.drafts=0"])
            got = server.ok(PATH, {"prompt": [ids], "echo": True, "logprobs": 1, "max_tokens": 1,
                                   "temperature": 0})["choices"][0]["logprobs"]["token_logprobs"]
            self.assertEqual(len(want), len(ids) - 1)
            for expected, found in zip(want, got[1:-1]):
                self.assertAlmostEqual(expected, found, delta=1e-4)

    def test_42_tokens_of_equal_lossy_text_have_two_keys(self):
        # Bytes 0x80 and 0x81 alone are no characters: both would be U+FFFD.
        ids = {i for i in range(20, 276)
               if self.server.ok("/detokenize", {"tokens": [i]})["prompt"] == "�"}
        self.assertGreater(len(ids), 100)
        a, b = sorted(ids)[:2]
        body = {"prompt": [[a, b, a, b]], "echo": True, "logprobs": 20, "max_tokens": 0}
        logprobs = self.server.ok(PATH, body)["choices"][0]["logprobs"]
        self.assertNotEqual(logprobs["tokens"][0], logprobs["tokens"][1])
        self.assertRegex(logprobs["tokens"][0], r"^bytes:(\\x[0-9a-f]{2})+$")
        for tops in logprobs["top_logprobs"][1:]:
            self.assertIn(len(tops), (20, 21))

    def test_44_texts_come_back_and_the_end_token_is_one(self):
        dice = random.Random(5)
        def character():
            while True:
                code = dice.choice((dice.randrange(0x20, 0x7f), dice.randrange(0xa0, 0x3000),
                                    dice.randrange(0x10000, 0x11000)))
                if not 0xd800 <= code < 0xe000:
                    return chr(code)
        texts = ["".join(character() for _ in range(dice.randrange(1, 20))) for _ in range(200)]
        for text in texts:
            tokens = self.server.ok("/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]
            self.assertEqual(self.server.ok("/detokenize", {"tokens": tokens})["prompt"], text)
        info = self.server.get("/tokenizer_info")[2]
        for name in ("eos_token", "bos_token", "pad_token", "chat_template"):
            self.assertIn(name, info)
        end = self.server.ok("/tokenize", {"prompt": info["eos_token"], "add_special_tokens": False})
        self.assertEqual(end["tokens"], [1])

    def test_45_fill_in_the_middle(self):
        def marks(text):
            return self.server.ok("/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]
        body = {"prompt": "def f(", "suffix": "return 1", "max_tokens": 1, "return_token_ids": True}
        answer = self.server.ok("/beta/completions", body | {"echo": True, "logprobs": 0,
                                                             "return_tokens_as_token_ids": True})
        ids = [int(name[9:]) for name in answer["choices"][0]["logprobs"]["tokens"]]
        want = (marks("<｜begin▁of▁sentence｜><｜fim▁begin｜>") + marks("def f(") + marks("<｜fim▁hole｜>") +
                marks("return 1") + marks("<｜fim▁end｜>"))
        self.assertEqual(ids[:len(want)], want)
        status, _, error = self.server.post(PATH, {"prompt": [5, 6], "suffix": "x"})
        self.assertEqual((status, error["error"]["param"]), (400, "suffix"))

    def test_46_no_embeddings(self):
        status, _, answer = self.server.post("/v1/embeddings", {"model": "tiny", "input": "a"})
        self.assertEqual((status, answer["error"]["code"]), (404, "not_found"))

    def test_a_stream_is_the_whole_answer(self):
        body = {"prompt": ["one", "two"], "max_tokens": 9, "temperature": 1, "seed": 4, "n": 2,
                "logprobs": 2, "echo": True}
        whole = self.server.ok(PATH, body)
        self.assertEqual([c["index"] for c in whole["choices"]], [0, 1, 2, 3])
        parts = {i: {"text": "", "tokens": [], "reason": None} for i in range(4)}
        for chunk in self.server.chunks(PATH, body | {"stream_options": {"include_usage": True}}):
            for choice in chunk["choices"]:
                part = parts[choice["index"]]
                part["text"] += choice["text"]
                part["tokens"] += (choice["logprobs"] or {"token_logprobs": []})["token_logprobs"]
                part["reason"] = choice["finish_reason"] or part["reason"]
            usage = chunk["usage"]
        for choice in whole["choices"]:
            part = parts[choice["index"]]
            self.assertEqual(part["text"], choice["text"])
            self.assertEqual(part["tokens"], choice["logprobs"]["token_logprobs"])
            self.assertEqual(part["reason"], choice["finish_reason"])
        self.assertEqual(usage["total_tokens"], whole["usage"]["total_tokens"])

    def test_progress_is_told_of_each_prompt(self):
        chunks = self.server.chunks(PATH, {"prompt": ["One and two", "three"], "max_tokens": 3, "n": 2,
                                           "return_progress": True, "timings_per_token": True})
        told = {}
        for chunk in chunks:
            self.assertIn("timings", chunk)
            choice = chunk["choices"][0]
            if "prompt_progress" in chunk:
                self.assertEqual((choice["text"], choice["finish_reason"]), ("", None))
                told[choice["index"]] = chunk["prompt_progress"]
            else:
                self.assertIn(choice["index"] // 2 * 2, told, "progress comes first")
        self.assertEqual(set(told), {0, 2})
        for progress in told.values():
            self.assertEqual(progress["processed"], progress["total"])

    def test_wrong_prompts(self):
        for prompt in (None, 5, [], [[]], [5, "a"], [[5], 6], [99999], [-1], {"a": 1}, ["a"] * 257,
                       [[5]] * 257, [1.5]):
            status, _, answer = self.server.post(PATH, {"prompt": prompt})
            self.assertEqual((status, answer["error"]["param"]), (400, "prompt"), prompt)
        for fields in ({"logprobs": 21}, {"logprobs": True}, {"echo": 1}, {"max_tokens": 0},
                       {"best_of": 2}, {"n": 0}):
            status, _, answer = self.server.post(PATH, {"prompt": "a"} | fields)
            self.assertEqual((status, answer["error"]["param"]), (400, next(iter(fields))), fields)


if __name__ == "__main__":
    unittest.main()
