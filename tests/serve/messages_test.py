"""POST /v1/messages and /v1/messages/count_tokens: serving.md, section 7, checks 67 to 71."""
import json
import unittest

import harness

PATH = "/v1/messages"
WEATHER = {"name": "weather", "description": "Tells the weather", "input_schema": {
    "type": "object", "properties": {"city": {"enum": ["Paris", "Oslo"]}}, "required": ["city"],
    "additionalProperties": False}}


def body(content="Hi", **fields):
    messages = fields.pop("messages", None) or [{"role": "user", "content": content}]
    return {"model": "tiny", "max_tokens": 40, "temperature": 0, "messages": messages} | fields


def events(server, request, path=PATH):
    """(name, data) of each event of a stream."""
    lines = server.stream_lines(path, request)
    found = []
    for name, data in zip(lines[::2], lines[1::2]):
        assert name.startswith("event: ") and data.startswith("data: "), (name, data)
        found.append((name[7:], json.loads(data[6:])))
        assert found[-1][1]["type"] == found[-1][0]
    return found


def accumulated(stream):
    """The message that a stream adds up to, as a client builds it."""
    names = [name for name, _ in stream if name != "ping"]
    assert names[0] == "message_start" and names[-2:] == ["message_delta", "message_stop"], names
    message, opened, inputs = stream[0][1]["message"], None, {}
    for name, data in stream[1:]:
        if name == "content_block_start":
            assert opened is None and data["index"] == len(message["content"]), data
            opened = data["index"]
            message["content"].append(dict(data["content_block"]))
        elif name == "content_block_delta":
            assert data["index"] == opened, data
            block, delta = message["content"][opened], data["delta"]
            for kind, field in (("text_delta", "text"), ("thinking_delta", "thinking"),
                                ("signature_delta", "signature")):
                if delta["type"] == kind:
                    block[field] += delta[field]
            if delta["type"] == "input_json_delta":
                inputs[opened] = inputs.get(opened, "") + delta["partial_json"]
        elif name == "content_block_stop":
            if opened in inputs:
                message["content"][opened]["input"] = json.loads(inputs[opened])
            opened = None
        elif name == "message_delta":
            message |= data["delta"] | {"usage": message["usage"] | data["usage"]}
    return message


def without_ids(message):
    kept = {key: value for key, value in message.items() if key not in ("id", "usage")}
    kept["content"] = [{k: v for k, v in block.items() if k not in ("id", "signature")}
                       for block in message["content"]]
    return kept


class Messages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(harness.model(max_position_embeddings=4096), template="deepseek-v3.2",
                                    settings=["model.context_tokens=4096"])

    def ok(self, request, path=PATH):
        return self.server.ok(path, request)

    def refused(self, request, status=400, path=PATH):
        found, headers, answer = self.server.post(path, request)
        self.assertEqual(found, status, answer)
        self.assertEqual(answer["type"], "error")
        self.assertEqual(set(answer), {"type", "error", "request_id"})
        self.assertEqual(headers["request-id"], answer["request_id"])
        return answer["error"]

    def test_a_message_has_every_member(self):
        status, headers, answer = self.server.post("/anthropic/v1/messages?beta=true", body())
        self.assertEqual(status, 200, answer)
        self.assertEqual(headers["request-id"], headers["x-request-id"])
        self.assertRegex(answer["id"], "^msg_[A-Za-z0-9]{24}$")
        self.assertEqual([answer[name] for name in ("type", "role", "model", "stop_sequence")],
                         ["message", "assistant", "tiny", None])
        self.assertIn(answer["stop_reason"], ("end_turn", "max_tokens"))
        self.assertEqual([block["type"] for block in answer["content"]], ["text"])
        usage = answer["usage"]
        self.assertGreater(usage["input_tokens"] + usage["cache_read_input_tokens"], 0)
        self.assertGreater(usage["output_tokens"], 0)

    def test_67_thinking_and_tools_in_a_stream(self):
        request = body("Weather?", tools=[WEATHER], max_tokens=300,
                       tool_choice={"type": "any", "disable_parallel_tool_use": True},
                       thinking={"type": "enabled", "budget_tokens": 12}, temperature=1, seed=3)
        stream = events(self.server, request)
        signatures = [data for _, data in stream
                      if data.get("delta", {}).get("type") == "signature_delta"]
        self.assertEqual(len(signatures), 1)
        message = accumulated(stream)
        self.assertEqual(message["stop_reason"], "tool_use")
        self.assertEqual(message["content"][0]["type"], "thinking")
        self.assertTrue(message["content"][0]["signature"])
        for call in message["content"][1:]:
            self.assertEqual((call["type"], call["name"]), ("tool_use", "weather"))
            self.assertRegex(call["id"], "^toolu_")
            self.assertIn(call["input"]["city"], ("Paris", "Oslo"))
        self.assertEqual(without_ids(message), without_ids(self.ok(request)))

    def test_streams_are_the_whole_message(self):
        for i, prompt in enumerate(harness.sampled_prompts(20)):
            kinds = ({"type": "disabled"}, {"type": "enabled", "budget_tokens": 10})
            request = body(prompt, thinking=kinds[i % 2], temperature=1, seed=i,
                           tools=[WEATHER] if i % 3 else None)
            self.assertEqual(without_ids(accumulated(events(self.server, request))),
                             without_ids(self.ok(request)), request)

    def test_68_the_billing_block_is_not_part_of_the_prompt(self):
        def asked(billing):
            system = [{"type": "text", "text": f"x-anthropic-billing-header: cch={billing}"},
                      {"type": "text", "text": "You help. " * 40}]
            return self.ok(body("q", system=system, max_tokens=1))["usage"]
        first, second = asked("a1"), asked("b22222")
        self.assertEqual(first["input_tokens"] + first["cache_read_input_tokens"],
                         second["input_tokens"] + second["cache_read_input_tokens"])
        prompt = second["input_tokens"] + second["cache_read_input_tokens"]
        self.assertGreaterEqual(second["cache_read_input_tokens"], (prompt - 1) // 128 * 128)

    def test_69_what_agents_send(self):
        cached = {"cache_control": {"type": "ephemeral"}}
        messages = [
            {"role": "user", "content": [{"type": "text", "text": "Hi"} | cached]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "any"},
                {"type": "redacted_thinking", "data": "xyz"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "a", "name": "weather", "input": {"city": "Oslo"}} | cached,
                {"type": "tool_use", "id": "b", "name": "weather", "input": {"city": "Paris"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "b", "content": "rain", "is_error": False},
                {"type": "tool_result", "tool_use_id": "a",
                 "content": [{"type": "text", "text": "sun"}]} | cached,
                {"type": "text", "text": "And now?"}]},
            {"role": "system", "content": "Be brief."},
        ]
        tools = [WEATHER | cached, {"type": "web_search_20250305", "name": "web_search"}]
        request = body(messages=messages, tools=tools, system=[{"type": "text", "text": "S"} | cached],
                       metadata={"user_id": "u"}, service_tier="auto")
        status, headers, answer = self.server.post(PATH, request, {
            "anthropic-version": "2023-06-01", "anthropic-beta": "a,b"})
        self.assertEqual(status, 200, answer)
        self.assertIn("tools[1]", headers["x-fathom-ignored"])
        self.assertNotIn("cache_control", headers["x-fathom-ignored"])

    def test_results_stand_in_the_order_of_their_calls(self):
        def prompt(order):
            calls = [{"type": "tool_use", "id": i, "name": "weather", "input": {}} for i in "ab"]
            results = [{"type": "tool_result", "tool_use_id": i, "content": "of " + i} for i in order]
            return self.ok(body(messages=[{"role": "user", "content": "q"},
                                          {"role": "assistant", "content": calls},
                                          {"role": "user", "content": results}],
                                tools=[WEATHER], temperature=1, seed=1))["content"]
        self.assertEqual([b.get("text") for b in prompt("ab")], [b.get("text") for b in prompt("ba")])

    def test_74_calls_get_back_the_thought_that_led_to_them(self):
        thinks = {"tools": [WEATHER], "thinking": {"type": "enabled", "budget_tokens": 9}}
        request = body("Weather?", tool_choice={"type": "any"}, max_tokens=300, temperature=1, seed=3, **thinks)
        for message in (self.ok(request), accumulated(events(self.server, request))):
            thought, *calls = message["content"]
            self.assertEqual({call["type"] for call in calls}, {"tool_use"})

            def count(rename, *before):
                turn = [call | {"id": rename(call["id"])} for call in calls]
                results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "sun"} for call in turn]
                return self.ok({"model": "tiny", **thinks, "messages": [
                    {"role": "user", "content": "Weather?"}, {"role": "assistant", "content": [*before, *turn]},
                    {"role": "user", "content": results}]}, PATH + "/count_tokens")["input_tokens"]
            whole, lost = count(str, thought), count(str.swapcase)
            self.assertEqual(whole - lost, len(thought["thinking"].encode()))
            self.assertEqual(count(str), whole)

    def test_70_tokens_are_counted_as_they_are_used(self):
        for request in (body(), body("Hi " * 50, system="S"), body(tools=[WEATHER]),
                        body(messages=[{"role": "user", "content": "a"},
                                       {"role": "assistant", "content": "b"}])):
            usage = self.ok(request)["usage"]
            counted = {key: value for key, value in request.items() if key != "max_tokens"}
            self.assertEqual(self.ok(counted, PATH + "/count_tokens"), {
                "input_tokens": usage["input_tokens"] + usage["cache_read_input_tokens"]})

    def test_71_errors_have_anthropics_shape(self):
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}
        error = self.refused(body(messages=[{"role": "user", "content": [image]}]))
        self.assertEqual(error["type"], "invalid_request_error")
        self.assertIn("messages[0].content[0].type", error["message"])
        no_limit = body()
        del no_limit["max_tokens"]
        self.assertIn("max_tokens", self.refused(no_limit)["message"])
        self.assertRegex(self.refused(body("word " * 2000))["message"],
                         r"^prompt is too long: \d+ tokens > 4096 maximum$")
        self.assertEqual(self.refused(body(model="nope"), 404)["type"], "not_found_error")
        for wrong in ({"messages": [{"role": "robot", "content": "x"}]},
                      {"messages": [{"role": "user"}]}, {"messages": "hi"}, {"max_tokens": 0},
                      {"tools": [{"name": "f"}, 5]}, {"tool_choice": {"type": "some"}},
                      {"tool_choice": {"type": "tool", "name": "f"}, "tools": [WEATHER]},
                      {"tool_choice": {"type": "any"}}, {"thinking": {"type": "maybe"}},
                      {"stop_sequences": [1]}, {"system": [{"type": "image"}]}, {"temperature": 3}):
            self.refused(body() | wrong)
        self.assertEqual(self.server.request("POST", PATH, "{}", {"Content-Type": "text/plain"})[2]
                         ["error"]["type"], "invalid_request_error")

    def test_an_answer_goes_on_with_the_last_message(self):
        messages = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "The sky"}]
        format = {"type": "json_schema", "schema": {"const": 1}}
        answer = self.ok(body(messages=messages, output_config={"format": format}))
        self.assertEqual(answer["content"], [{"type": "text", "text": "1"}])

    def test_a_stop_sequence_is_named(self):
        format = {"type": "json_schema", "schema": {"const": "xxabcyy"}}
        answer = self.ok(body(output_config={"format": format}, stop_sequences=["abc"]))
        self.assertEqual((answer["stop_reason"], answer["stop_sequence"]), ("stop_sequence", "abc"))
        self.assertEqual(answer["content"], [{"type": "text", "text": "\"xx"}])

    def test_a_full_context_is_told(self):
        prompt = "word " * 100
        count = self.ok({"messages": body(prompt)["messages"]}, PATH + "/count_tokens")["input_tokens"]
        tall = prompt + "a b " * ((4096 - count - 20) // 4)
        answer = self.ok(body(tall, max_tokens=9000, temperature=1, seed=1))
        self.assertIn(answer["stop_reason"], ("model_context_window_exceeded", "end_turn"))


if __name__ == "__main__":
    unittest.main()
