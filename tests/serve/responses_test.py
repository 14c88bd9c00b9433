"""POST /v1/responses: serving.md, section 7, checks 62 to 66."""
import json
import unittest

import harness

PATH = "/v1/responses"
CITY = {"type": "object", "properties": {"city": {"enum": ["Paris", "Oslo"]}}, "required": ["city"],
        "additionalProperties": False}
WEATHER = {"type": "function", "name": "weather", "parameters": CITY}
LETTER = {"type": "json_schema", "name": "n", "schema": {"enum": ["a", "b"]}}


def body(content="hi", **fields):
    return {"model": "tiny", "input": content, "temperature": 0, "max_output_tokens": 40} | fields


def events(server, request):
    """The events of a stream, whose numbers and names are checked."""
    lines = server.stream_lines(PATH, request)
    found = []
    for number, (name, data) in enumerate(zip(lines[::2], lines[1::2])):
        event = json.loads(data.removeprefix("data: "))
        assert name == "event: " + event["type"], (name, data)
        assert event["sequence_number"] == number, (number, event)
        found.append(event)
    return found


def without_ids(response):
    items = [{k: v for k, v in item.items() if k not in ("id", "call_id")}
             for item in response["output"]]
    return items, response["status"], response["incomplete_details"], response["usage"]["output_tokens"]


class Responses(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(harness.model(max_position_embeddings=4096), template="deepseek-v3.2",
                                    settings=["model.context_tokens=4096"])

    def ok(self, request):
        return self.server.ok(PATH, request)

    def refused(self, request, param, code=None, status=400):
        found, _, answer = self.server.post(PATH, request)
        self.assertEqual((found, answer["error"]["param"]), (status, param), answer)
        if code:
            self.assertEqual(answer["error"]["code"], code, answer)

    def check_items(self, stream):
        """Each item is added, told piece by piece and done, and stands so in the last response."""
        done, opened = [], None
        for event in stream[2:-1]:
            kind = event["type"].removeprefix("response.")
            if kind == "output_item.added":
                self.assertIsNone(opened)
                self.assertEqual(event["output_index"], len(done))
                self.assertEqual(event["item"]["status"], "in_progress")
                opened, text = event["item"], ""
                continue
            self.assertEqual(event["output_index"], len(done), event)
            if kind == "output_item.done":
                self.assertEqual(event["item"]["id"], opened["id"])
                done.append(event["item"])
                opened = None
                continue
            self.assertEqual(event["item_id"], opened["id"], event)
            if kind.endswith(".delta"):
                text += event["delta"]
            for field in ("text", "arguments", "input"):
                if kind.endswith(".done") and field in event:
                    self.assertEqual(event[field], text)
        self.assertIsNone(opened)
        self.assertEqual(done, stream[-1]["response"]["output"])
        return done

    def test_62_events_in_their_order(self):
        stream = events(self.server, body(text={"format": LETTER}))
        self.assertEqual([event["type"] for event in stream if not event["type"].endswith(".delta")], [
            "response.created", "response.in_progress", "response.output_item.added",
            "response.content_part.added", "response.output_text.done",
            "response.content_part.done", "response.output_item.done", "response.completed"])
        self.assertEqual(stream[0]["response"]["output"], [])
        items = self.check_items(stream)
        content = items[0]["content"][0]
        self.assertIn(content["text"], ('"a"', '"b"'))
        self.assertEqual((content["annotations"], content["logprobs"]), ([], []))
        response = stream[-1]["response"]
        self.assertEqual(response["status"], "completed")
        usage = response["usage"]
        self.assertEqual(usage["total_tokens"], usage["input_tokens"] + usage["output_tokens"])
        self.assertEqual(set(usage), {"input_tokens", "input_tokens_details", "output_tokens",
                                      "output_tokens_details", "total_tokens"})

    def test_62_streams_are_the_whole_response(self):
        for i, prompt in enumerate(harness.sampled_prompts(20)):
            request = body(prompt, temperature=1, seed=i, tools=[WEATHER] if i % 3 else None,
                           tool_choice="required" if i % 3 == 1 else None, max_output_tokens=300,
                           reasoning={"effort": "high"} if i % 2 else None)
            stream = events(self.server, request)
            self.check_items(stream)
            self.assertEqual(without_ids(stream[-1]["response"]), without_ids(self.ok(request)))

    def test_63_kinds_of_tools(self):
        namespace = {"type": "namespace", "name": "mcp__maps", "description": "d", "tools": [
            {"type": "function", "name": "find", "parameters": CITY}]}
        custom = {"type": "custom", "name": "shell", "description": "runs a text"}
        tools = [WEATHER, namespace, custom, {"type": "web_search"}]
        status, headers, answer = self.server.post(PATH, body(tools=tools))
        self.assertEqual(status, 200, answer)
        self.assertIn("web_search", headers["x-fathom-ignored"])
        self.assertEqual(answer["tools"], tools)
        for choice, name in (({"type": "function", "name": "find", "namespace": "mcp__maps"}, "find"),
                             ({"type": "function", "name": "weather"}, "weather")):
            request = body(tools=tools, tool_choice=choice, max_output_tokens=200, temperature=1, seed=2)
            stream = events(self.server, request)
            call = self.check_items(stream)[0]
            self.assertEqual((call["type"], call["name"]), ("function_call", name))
            self.assertEqual(call.get("namespace"), "mcp__maps" if name == "find" else None)
            self.assertIn(json.loads(call["arguments"])["city"], ("Paris", "Oslo"))
            self.assertRegex(call["call_id"], "^call_")

    def test_63_a_custom_tool_gets_a_text(self):
        tool = {"type": "custom", "name": "shell"}
        request = body(tools=[tool], tool_choice={"type": "custom", "name": "shell"},
                       max_output_tokens=400, temperature=1, seed=4)
        stream = events(self.server, request)
        items = self.check_items(stream)
        self.assertEqual(without_ids(stream[-1]["response"]), without_ids(self.ok(request)))
        self.assertEqual((items[0]["type"], items[0]["name"]), ("custom_tool_call", "shell"))
        self.assertIsInstance(items[0]["input"], str)

    def test_64_a_conversation_of_items(self):
        items = [
            {"role": "user", "content": "q"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x",
             "content": [{"type": "reasoning_text", "text": "Hm."}]},
            {"type": "message", "role": "assistant", "content": [
                {"type": "output_text", "text": "I look.", "annotations": []}]},
            {"type": "function_call", "call_id": "a", "name": "weather", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "b", "name": "shell", "input": "ls"},
            {"type": "custom_tool_call_output", "call_id": "b", "output": "files"},
            {"type": "function_call_output", "call_id": "a", "output": [
                {"type": "input_text", "text": "sun"}]},
            {"role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"role": "user", "content": "And now?"},
        ]
        status, headers, answer = self.server.post(PATH, body(items, instructions="Help.", tools=[
            WEATHER, {"type": "custom", "name": "shell"}]))
        self.assertEqual(status, 200, answer)
        self.assertEqual(headers["x-fathom-ignored"], "input[8].web_search_call")

    def test_74_calls_get_back_the_thought_that_led_to_them(self):
        request = body(tools=[WEATHER], tool_choice="required", reasoning={"effort": "low"}, max_output_tokens=3000,
                       temperature=1, seed=3)
        for response in (self.ok(request), events(self.server, request)[-1]["response"]):
            items = [item for item in response["output"] if item["type"] == "function_call"]
            thought = "".join(item["content"][0]["text"] for item in response["output"] if item["type"] == "reasoning")
            self.assertTrue(items and thought, response)

            def used(rename):
                calls = [{"type": "function_call", "name": item["name"], "arguments": item["arguments"],
                          "call_id": rename(item["call_id"])} for item in items]
                results = [{"type": "function_call_output", "call_id": call["call_id"], "output": "sun"} for call in calls]
                return self.ok(body([{"role": "user", "content": "hi"}, *calls, *results], tools=[WEATHER],
                                    reasoning={"effort": "low"}, max_output_tokens=1))["usage"]["input_tokens"]
            self.assertEqual(used(str) - used(str.swapcase), len(thought.encode()))

    def test_65_a_cap_makes_it_incomplete(self):
        for request in (body(max_output_tokens=2),
                        body(max_output_tokens=2, reasoning={"effort": "high"})):
            whole = self.ok(request)
            self.assertEqual((whole["status"], whole["incomplete_details"]),
                             ("incomplete", {"reason": "max_output_tokens"}))
            stream = events(self.server, request)
            self.assertEqual(stream[-1]["type"], "response.incomplete")
            self.assertEqual(without_ids(stream[-1]["response"]), without_ids(whole))

    def test_66_what_is_refused(self):
        self.refused(body(background=True), "background", "unsupported_parameter")
        self.refused(body(previous_response_id="resp_1"), "previous_response_id",
                     "previous_response_not_found")
        self.refused(body(conversation="c"), "conversation")
        self.refused(body(truncation="auto"), "truncation")
        self.ok(body(truncation="disabled", background=False, conversation=None))
        self.refused({"model": "tiny"}, "input", "missing_required_parameter")
        self.refused(body([{"role": "user", "content": [{"type": "input_image"}]}]),
                     "input[0].content[0].type")
        self.refused(body([{"role": "robot", "content": "x"}]), "input[0].role")
        self.refused(body(tools=[WEATHER, WEATHER]), "tools[1].name")
        self.refused(body(tool_choice={"type": "function", "name": "f"}, tools=[WEATHER]),
                     "tool_choice.name")
        self.refused(body(tool_choice="required"), "tool_choice")
        self.refused(body(max_output_tokens=0), "max_output_tokens")
        self.refused(body(model="nope"), "model", "model_not_found", 404)

    def test_a_full_context_fails_in_the_stream(self):
        request = body("word " * 2000)
        self.refused(request, "messages", "context_length_exceeded")
        stream = events(self.server, request)
        self.assertEqual([event["type"] for event in stream], ["response.created", "response.failed"])
        self.assertEqual(stream[-1]["response"]["error"]["code"], "context_length_exceeded")

    def test_log_probabilities_come_with_the_text(self):
        request = body(include=["message.output_text.logprobs"], top_logprobs=2, max_output_tokens=5)
        content = self.ok(request)["output"][0]["content"][0]
        self.assertTrue(all(len(entry["top_logprobs"]) == 2 for entry in content["logprobs"]))
        self.assertGreater(len(content["logprobs"]), 0)
        stream = events(self.server, request)
        told = [entry for event in stream if event["type"] == "response.output_text.delta"
                for entry in event["logprobs"]]
        self.assertEqual([entry["token"] for entry in told],
                         [entry["token"] for entry in content["logprobs"]])


if __name__ == "__main__":
    unittest.main()
