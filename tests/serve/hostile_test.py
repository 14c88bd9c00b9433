"""Bodies whose members have any type and any value: the client is told, and nothing is a fault of the server's."""
import concurrent.futures
import copy
import http.client
import json
import random
import threading
import unittest

import harness

TOOL = {"type": "object", "properties": {"city": {"enum": ["Paris", "Oslo"]}}, "required": ["city"]}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
BODIES = {
    "/v1/chat/completions": {
        "model": "tiny", "max_tokens": 2, "temperature": 1, "seed": 1, "stop": ["x"], "n": 1, "stream": False,
        "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "text", "text": "a"}]},
                     {"role": "assistant", "content": "b", "tool_calls": [CALL], "reasoning_content": "c"},
                     {"role": "tool", "tool_call_id": "c", "content": "d"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": TOOL, "strict": True}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": False,
        "thinking": {"type": "enabled", "budget_tokens": 3}, "logprobs": True, "top_logprobs": 1,
        "logit_bias": {"5": 1}, "stream_options": {"include_usage": True},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": TOOL}}},
    "/v1/completions": {"model": "tiny", "prompt": ["a", "b"], "max_tokens": 2, "logprobs": 1, "echo": True,
                        "suffix": "s", "stop": "x", "n": 2},
    "/v1/messages": {
        "model": "tiny", "max_tokens": 2, "system": [{"type": "text", "text": "S"}], "stop_sequences": ["x"],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]},
                     {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"},
                                                       {"type": "text", "text": "b"},
                                                       {"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
                     {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "is_error": False,
                                                   "content": [{"type": "text", "text": "d"}]}]}],
        "tools": [{"name": "f", "description": "d", "input_schema": TOOL, "strict": True}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 3}, "metadata": {"user_id": "u"},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": TOOL}}},
    "/v1/responses": {
        "model": "tiny", "max_output_tokens": 2, "instructions": "S", "reasoning": {"effort": "low"},
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]},
                  {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]},
                  {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
                  {"type": "function_call", "call_id": "c", "name": "f", "namespace": "n", "arguments": "{}"},
                  {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "d"}]}],
        "tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f", "parameters": TOOL}]},
                  {"type": "custom", "name": "g", "format": {"type": "text"}}],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": TOOL}}, "include": ["x"], "top_logprobs": 1,
        "truncation": "disabled", "metadata": {"a": "b"}},
}
VALUES = [None, True, 5, -1, 1.5, 1e300, "", "x", "none", "\ud800", "\x00", [], [5], [[]], [{}], {}, {"type": "x"}, {"a": {}}]


def places(value, path=()):
    """The path of every value inside."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, path + (key,))


def replaced(body, path, value):
    body = copy.deepcopy(body)
    inside = body
    for key in path[:-1]:
        inside = inside[key]
    if value is KeyError:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return body


class Hostile(unittest.TestCase):
    def setUp(self):
        self.local = threading.local()

    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(harness.model(max_position_embeddings=4096), template="deepseek-v3.2",
                                    settings=["model.context_tokens=4096", "api.max_tokens=3",
                                              "api.max_thinking_tokens=3"])

    def post(self, path, body):
        """On this thread's own connection, which stays open whatever the answer is."""
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            self.addCleanup(self.local.connection.close)
        self.local.connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = self.local.connection.getresponse()
        return response.status, json.loads(response.read())

    def check(self, path, body):
        status, answer = self.post(path, body)
        self.assertIn(status, (200, 400, 404), (path, body, answer))
        if status != 200:
            self.assertTrue(answer["error"]["message"], body)
        return status

    def check_all(self, path, bodies):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda body: self.check(path, body), bodies))

    def test_one_member_at_a_time(self):
        rng = random.Random(2)
        for path, body in BODIES.items():
            self.assertEqual(self.check(path, body), 200)
            bodies = [replaced(body, place, value) for place in places(body) if place
                      for value in rng.sample(VALUES, 6) + [KeyError]]
            self.assertGreater(sum(status != 200 for status in self.check_all(path, bodies)), 20)

    def test_several_at_once(self):
        rng = random.Random(1)
        for path, original in BODIES.items():
            bodies = [original] * 150
            for i in range(len(bodies)):
                for _ in range(rng.randint(1, 4)):
                    place = rng.choice(list(places(bodies[i]))[1:])
                    bodies[i] = replaced(bodies[i], place, rng.choice(VALUES))
            self.check_all(path, bodies)


if __name__ == "__main__":
    unittest.main()
