"""Tools of POST /v1/chat/completions in every dialect: serving.md, section 7, checks 34 and 55 to 60."""
import concurrent.futures
import json
import pathlib
import shutil
import time
import unittest

import harness
from harness import chat_body

PATH = "/v1/chat/completions"
MARKS = ("tool▁call", "｜DSML｜", "<tool_call>", "tool_call_begin", "```json", "<think>", "</think>",
         "<|im_", "tool_calls_section")


def function(name, parameters=None, **more):
    return {"type": "function", "function": {"name": name, "parameters": parameters or {
        "type": "object", "properties": {"city": {"enum": ["Paris", "Oslo"]}, "days": {"enum": [1, 2]}},
        "required": ["city"], "additionalProperties": False}} | more}


TOOLS = [function("weather"), function("time_of_day", {"type": "object", "properties": {},
                                                       "additionalProperties": False})]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {
    "type": "object", "properties": {"answer": {"enum": ["yes", "no"]}}, "required": ["answer"],
    "additionalProperties": False}}}


def joined_calls(chunks):
    """The calls that chunks add up to, whose form is checked."""
    calls = []
    for chunk in chunks:
        for choice in chunk["choices"]:
            for call in choice["delta"].get("tool_calls", []):
                if call["index"] == len(calls):
                    assert call["type"] == "function" and call["id"].startswith("call_"), call
                    assert call["function"]["name"] and call["function"]["arguments"] == "", call
                    calls.append(dict(call["function"]))
                else:
                    assert call["index"] == len(calls) - 1 and set(call) == {"index", "function"}, call
                    calls[-1]["arguments"] += call["function"]["arguments"]
    return calls


def calls_of(message):
    return [call["function"] for call in message.get("tool_calls") or []]


def model_with(tokens):
    """The tiny model, whose tokens of turns and calls have other names."""
    path = harness.model(max_position_embeddings=4096)
    if not tokens:
        return path
    copy = pathlib.Path(harness.Folder().path) / "tiny"
    shutil.copytree(path, copy)
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    renamed = [token for token in tokenizer["added_tokens"] if not token["special"]]
    assert len(renamed) >= len(tokens), tokenizer["added_tokens"]
    for i, token in enumerate(renamed):
        token["content"] = tokens[i] if i < len(tokens) else f"<|unused_{i}|>"
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    return copy


class Dialect:
    """One class a chat template: what must hold in each."""
    template = None
    tokens = ()

    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(model_with(cls.tokens), template=cls.template,
                                    settings=["model.context_tokens=4096"])

    def body(self, **fields):
        return chat_body("Weather?", **({"temperature": 1, "max_tokens": 400} | fields))

    def check_calls(self, calls, names=("weather", "time_of_day")):
        for call in calls:
            self.assertIn(call["name"], names)
            arguments = json.loads(call["arguments"])
            if call["name"] == "weather":
                self.assertIn(arguments["city"], ("Paris", "Oslo"))

    def check_no_mark(self, message):
        for text in [message["content"] or ""] + [call["arguments"] for call in calls_of(message)]:
            self.assertFalse([mark for mark in MARKS if mark in text], text)

    def test_55_choices(self):
        for seed in range(4):
            answer = self.server.ok(PATH, self.body(tools=TOOLS, tool_choice="required", seed=seed,
                                                     parallel_tool_calls=False))
            choice = answer["choices"][0]
            self.assertGreaterEqual(len(calls_of(choice["message"])), 1)
            self.assertEqual(choice["finish_reason"], "tool_calls")
            self.assertIsNone(choice["message"]["content"])
            self.check_calls(calls_of(choice["message"]))
            named = self.body(tools=TOOLS, seed=seed, tool_choice={
                "type": "function", "function": {"name": "weather"}})
            calls = calls_of(self.server.ok(PATH, named)["choices"][0]["message"])
            self.assertEqual({call["name"] for call in calls}, {"weather"})
            self.check_calls(calls)
            none = self.body(tools=TOOLS, tool_choice="none", seed=seed, max_tokens=60)
            message = self.server.ok(PATH, none)["choices"][0]["message"]
            self.assertNotIn("tool_calls", message)
            self.check_no_mark(message)

    def test_56_one_call_where_one_is_wanted(self):
        for seed in range(12):
            body = self.body(tools=TOOLS, tool_choice="required", parallel_tool_calls=False, seed=seed)
            self.assertEqual(len(calls_of(self.server.ok(PATH, body)["choices"][0]["message"])), 1)

    def test_57_calls_or_a_value_never_both(self):
        kinds = set()
        for seed in range(25):
            body = self.body(tools=TOOLS, response_format=SCHEMA, seed=seed)
            message = self.server.ok(PATH, body)["choices"][0]["message"]
            if calls_of(message):
                self.assertFalse(message["content"])
                self.check_calls(calls_of(message))
            else:
                self.assertIn(json.loads(message["content"])["answer"], ("yes", "no"))
            kinds.add(bool(calls_of(message)))
        self.assertTrue(kinds)

    def test_59_a_stream_of_calls(self):
        for seed in range(6):
            body = self.body(tools=TOOLS, tool_choice="required" if seed % 2 else "auto", seed=seed)
            chunks = self.server.chunks(PATH, body)
            whole = self.server.ok(PATH, body)["choices"][0]
            self.assertEqual(joined_calls(chunks), calls_of(whole["message"]))
            message, reason = harness.joined(chunks)
            self.assertEqual((message["content"], reason),
                             (whole["message"]["content"] or "", whole["finish_reason"]))
            self.check_no_mark(whole["message"])

    def test_34_a_turn_with_tools_in_the_history(self):
        call = {"id": "c", "type": "function", "function": {"name": "weather",
                                                            "arguments": "{\"city\": \"Oslo\"}"}}
        for thoughts in ({}, {"reasoning_content": "Hm."}, {"reasoning": "Hm."}):
            messages = [{"role": "user", "content": "q"},
                        {"role": "assistant", "content": None, "tool_calls": [call]} | thoughts,
                        {"role": "tool", "tool_call_id": "c", "content": "rain"},
                        {"role": "user", "content": "And now?"}]
            self.server.ok(PATH, chat_body(messages=messages, tools=TOOLS))


class V3(Dialect, unittest.TestCase):
    template = "deepseek-v3-0324"


class V31(Dialect, unittest.TestCase):
    template = "deepseek-v3.1"

    def test_thinking_gives_way_to_tools(self):
        for wish in ({"reasoning_effort": "high"}, {"thinking": {"type": "enabled"}}):
            status, headers, answer = self.server.post(PATH, self.body(tools=TOOLS, **wish))
            self.assertEqual((status, headers["x-fathom-ignored"]), (200, "thinking"), answer)
            self.assertNotIn("reasoning_content", answer["choices"][0]["message"])

    def test_60_hundreds_of_tools(self):
        many = [function(f"tool_{i}", {"type": "object", "properties": {
            f"p{j}": {"type": "string", "description": "d" * 150} for j in range(8)}})
            for i in range(300)]
        self.assertGreater(len(json.dumps(many)), 450_000)
        begin = time.monotonic()
        status, _, answer = self.server.post(PATH, self.body(tools=many))
        # The prompt is longer than this model's context: all is read and checked before.
        self.assertEqual((status, answer["error"]["code"]), (400, "context_length_exceeded"))
        self.assertLess(time.monotonic() - begin, 5)


class R1(Dialect, unittest.TestCase):
    """The model opens its thought itself: a grammar begins behind the thought all the same."""
    template = "deepseek-r1-0528"

    def body(self, **fields):
        return super().body(thinking={"type": "enabled", "budget_tokens": 7}, **fields)

    def test_58_the_thought_comes_before_what_is_held_to_a_form(self):
        for seed in range(4):
            answer = self.server.ok(PATH, self.body(response_format=SCHEMA, seed=seed))
            message = answer["choices"][0]["message"]
            self.assertIn(json.loads(message["content"])["answer"], ("yes", "no"))
            thought = answer["usage"]["completion_tokens_details"]["reasoning_tokens"]
            self.assertTrue(0 < thought <= 8, answer["usage"])


class V32(Dialect, unittest.TestCase):
    template = "deepseek-v3.2"

    def test_58_behind_a_thought(self):
        for seed in range(6):
            body = self.body(tools=TOOLS, tool_choice="required", seed=seed,
                             thinking={"type": "enabled", "budget_tokens": 9})
            chunks = self.server.chunks(PATH, body)
            whole = self.server.ok(PATH, body)["choices"][0]
            self.assertTrue(whole["message"]["reasoning_content"])
            self.check_calls(calls_of(whole["message"]))
            self.assertEqual(joined_calls(chunks), calls_of(whole["message"]))
            self.assertEqual(harness.joined(chunks)[0]["reasoning_content"],
                             whole["message"]["reasoning_content"])

    def test_34_a_lost_thought_is_given_back_to_its_calls(self):
        body = self.body(tools=TOOLS, tool_choice="required", seed=5, thinking={"type": "enabled", "budget_tokens": 9})
        whole = self.server.ok(PATH, body)["choices"][0]["message"]
        thought, calls = whole["reasoning_content"], whole["tool_calls"]
        streamed = [call for chunk in self.server.chunks(PATH, body) for choice in chunk["choices"]
                    for call in choice["delta"].get("tool_calls", []) if "id" in call]
        self.assertTrue(thought)
        def prompt(ids, **fields):
            turn = [call | {"id": one} for call, one in zip(calls, ids)]
            results = [{"role": "tool", "tool_call_id": one, "content": "sun"} for one in ids]
            return self.server.ok("/apply-template", {"tools": TOOLS, "thinking": True, "messages": [
                {"role": "user", "content": "Weather?"},
                {"role": "assistant", "content": "", "tool_calls": turn} | fields, *results]})["prompt"]
        known = prompt([call["id"] for call in calls], reasoning_content=thought)
        self.assertIn(thought, known)
        self.assertEqual(prompt([call["id"] for call in calls]), known)
        self.assertEqual(prompt([call["id"] for call in streamed]), known)
        self.assertNotIn(thought, prompt([f"call_{i}" for i in range(len(calls))]))
        self.assertIn("another", prompt([call["id"] for call in calls], reasoning_content="another"))

    def test_58_drafts_and_company_change_nothing(self):
        def answer(server, seed):
            body = self.body(tools=TOOLS, response_format=SCHEMA, seed=seed, max_tokens=300,
                             thinking={"type": "enabled", "budget_tokens": 6} if seed % 2 else None)
            if seed % 3:
                return harness.joined(server.chunks(PATH, body)), joined_calls(server.chunks(PATH, body))
            choice = server.ok(PATH, body)["choices"][0]
            message = {"content": choice["message"]["content"] or "",
                       "reasoning_content": choice["message"].get("reasoning_content", "")}
            return (message, choice["finish_reason"]), calls_of(choice["message"])

        plain = harness.Server(model_with(()), template=self.template,
                               settings=["model.context_tokens=4096", "model.drafts=0"])
        alone = [answer(plain, seed) for seed in range(16)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            together = list(pool.map(lambda seed: answer(self.server, seed), range(16)))
        self.assertEqual(alone, together)
        for (message, reason), calls in together:
            self.assertFalse(calls and message["content"])
            if reason != "length":
                self.check_calls(calls)
                self.assertTrue(calls or json.loads(message["content"])["answer"] in ("yes", "no"))


class Qwen3(Dialect, unittest.TestCase):
    template = "qwen3"
    tokens = ("<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>", "</think>")

    def body(self, **fields):
        return super().body(thinking={"type": "enabled", "budget_tokens": 5}, **fields)


class Qwen25Spelled(Dialect, unittest.TestCase):
    """A vocabulary that spells <tool_call>."""
    template = "qwen2.5"
    tokens = ("<|im_start|>", "<|im_end|>")


class Kimi(Dialect, unittest.TestCase):
    template = "kimi-k2"
    tokens = ("<|im_system|>", "<|im_user|>", "<|im_assistant|>", "<|im_middle|>", "<|im_end|>",
              "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>",
              "<|tool_call_end|>", "<|tool_call_argument_begin|>")


class Llama(Dialect, unittest.TestCase):
    template = "llama-3.1"
    tokens = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")


if __name__ == "__main__":
    unittest.main()
