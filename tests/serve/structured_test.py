"""Answers that are held to a form, over HTTP: serving.md, section 7, checks 47 and 49 to 54. (The engine's tests have
the rest of it; grammar_test has 48 and 61.)"""
import json
import threading
import time
import unittest

import harness
from harness import chat_body

PATH = "/v1/chat/completions"
PERSON = {"type": "object", "additionalProperties": False, "required": ["name", "age"],
          "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0}}}


def schema_format(schema, strict=True):
    return {"type": "json_schema", "json_schema": {"name": "form", "strict": strict, "schema": schema}}


def nested(levels, wrap):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = wrap(schema)
    return schema


class Structured(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(harness.model(max_position_embeddings=4096), template="deepseek-v3.1",
                                    settings=["model.context_tokens=4096"])

    def choices(self, count, **fields):
        """(content, finish reason) of `count` answers, in requests of eight choices."""
        got = []
        for seed in range(0, count, 8):
            answer = self.server.chat("x", n=min(8, count - seed), seed=seed, **fields)
            got += [(choice["message"]["content"], choice["finish_reason"]) for choice in answer["choices"]]
        return got

    def refused(self, schema, strict=True):
        begin = time.monotonic()
        status, _, answer = self.server.post(PATH, chat_body(response_format=schema_format(schema, strict)))
        self.assertLess(time.monotonic() - begin, 3)
        self.assertEqual(status, 400, answer)
        return answer["error"]

    def test_47_a_json_object(self):
        complete = 0
        for content, reason in self.choices(100, temperature=1, max_tokens=200, response_format={"type": "json_object"}):
            if reason == "stop":
                complete += 1
                self.assertIsInstance(json.loads(content), dict)
        self.assertGreater(complete, 50)

    def test_49_what_cannot_be_kept_is_named(self):
        error = self.refused({"type": "object", "properties": {"a": {"unevaluatedProperties": False, "allOf": [{}]}}})
        self.assertIn("unevaluatedProperties", error["message"])
        self.assertIn("/properties/a", error["message"])

    def test_49_not_is_kept(self):
        schema = {"type": "string", "enum": ["a", "b"], "not": {"const": "a"}}
        answer = self.server.chat("x", response_format=schema_format(schema), max_tokens=20)
        self.assertEqual(answer["choices"][0]["message"]["content"], '"b"')

    def test_50_hostile_schemas_while_a_stream_runs(self):
        # A second chance, since other programs may have the cores for a second.
        self.assertTrue(any(self.longest_gap_beside_hostile_schemas() < 1 for _ in range(2)))

    def longest_gap_beside_hostile_schemas(self):
        gaps, stop = [], threading.Event()

        def stream():
            connection = harness.http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            body = chat_body("go", stream=True, max_tokens=3000, ignore_eos=True)
            connection.request("POST", PATH, json.dumps(body), {"Content-Type": "application/json"})
            response, last = connection.getresponse(), time.monotonic()
            while not stop.is_set() and response.readline():
                gaps.append(time.monotonic() - last)
                last = time.monotonic()
            connection.close()
        thread = threading.Thread(target=stream)
        thread.start()
        self.refused({"type": "string", "pattern": "a(b"})
        self.refused({"type": "object", "properties": {f"key{i:06d}": {"type": "string"} for i in range(60_000)}})
        self.refused(nested(70, lambda inner: {"type": "object", "properties": {"a": inner}}))
        self.refused(nested(12, lambda inner: {"oneOf": [inner, {"type": "array", "items": inner}]}))
        stop.set()
        thread.join()
        self.assertGreater(len(gaps), 20)
        return max(gaps)

    def test_51_a_thought_comes_first_and_is_free(self):
        answer = self.server.chat("x", response_format=schema_format(PERSON), thinking={"type": "enabled", "budget_tokens": 20},
                                  max_tokens=200, temperature=1, seed=3)
        message = answer["choices"][0]["message"]
        self.assertTrue(message["reasoning_content"])
        if answer["choices"][0]["finish_reason"] == "stop":
            self.check(message["content"])
        else:
            self.assertTrue(message["content"].startswith("{"))

    def check(self, content):
        value = json.loads(content)
        self.assertEqual(sorted(value), ["age", "name"])
        self.assertEqual(value["age"] % 1, 0)  # JSON Schema takes 8.0 for an integer
        self.assertGreaterEqual(value["age"], 0)
        self.assertLessEqual(len(value["name"]), 8)

    def test_52_hot_answers_are_valid_and_not_blank(self):
        complete = 0
        for content, reason in self.choices(200, temperature=2, max_tokens=120, response_format=schema_format(PERSON)):
            self.assertNotRegex(content, r"[ \n\t\r]{65}")
            if reason == "stop":
                complete += 1
                self.check(content)
        self.assertGreater(complete, 100)

    def test_53_cut_by_the_length(self):
        choice = self.server.chat("x", response_format=schema_format(PERSON), max_tokens=3)["choices"][0]
        self.assertEqual(choice["finish_reason"], "length")
        self.assertTrue('{"name"'.startswith(choice["message"]["content"].replace(" ", "").replace("\n", "")))

    def test_54_one_of_two(self):
        for content, reason in self.choices(20, temperature=2, structured_outputs={"choice": ["yes", "no"]}, max_tokens=10):
            self.assertIn(content, ("yes", "no"))
            self.assertEqual(reason, "stop")


if __name__ == "__main__":
    unittest.main()
