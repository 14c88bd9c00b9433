"""The real `anthropic` and `openai` SDKs on messages and responses: checks 3, 62, 63, 67 and 71."""
import json
import subprocess
import textwrap
import unittest

import harness
import packages

MESSAGES = textwrap.dedent("""
    import json, sys
    import anthropic
    client = anthropic.Anthropic(base_url=sys.argv[1] + "/anthropic", api_key="none", max_retries=0)
    out = {"version": anthropic.__version__, "models": [m.id for m in client.models.list()]}
    tool = {"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {
        "city": {"enum": ["Paris", "Oslo"]}}, "required": ["city"], "additionalProperties": False}}
    common = dict(model="tiny", max_tokens=300, messages=[{"role": "user", "content": "Weather?"}])
    thinks = dict(tools=[tool], tool_choice={"type": "any", "disable_parallel_tool_use": True},
                  thinking={"type": "enabled", "budget_tokens": 1024})
    thinks["thinking"]["budget_tokens"] = 12
    with client.messages.stream(**common, **thinks) as stream:
        signatures = sum(e.type == "content_block_delta" and e.delta.type == "signature_delta" for e in stream)
        message = stream.get_final_message()
    out["signatures"], out["stop_reason"] = signatures, message.stop_reason
    out["blocks"] = [block.type for block in message.content]
    out["inputs"] = [block.input for block in message.content if block.type == "tool_use"]
    turn = [block.model_dump(exclude_none=True) for block in message.content]
    results = [{"type": "tool_result", "tool_use_id": b.id, "content": "sun"}
               for b in message.content if b.type == "tool_use"]
    again = client.messages.create(model="tiny", max_tokens=8, tools=[tool], messages=common["messages"] + [
        {"role": "assistant", "content": turn}, {"role": "user", "content": results}])
    out["again"] = again.stop_reason
    out["count"] = client.messages.count_tokens(model="tiny", messages=common["messages"]).input_tokens
    plain = client.messages.create(**{**common, "max_tokens": 4})
    out["used"] = plain.usage.input_tokens + plain.usage.cache_read_input_tokens
    def fails(call):
        try:
            call()
        except anthropic.APIStatusError as error:
            return [type(error).__name__, error.body["error"]["type"]]
    out["model"] = fails(lambda: client.messages.create(**{**common, "model": "nope"}))
    out["long"] = fails(lambda: client.messages.create(**{**common, "messages": [
        {"role": "user", "content": "word " * 3000}]}))
    print(json.dumps(out))
""")

RESPONSES = textwrap.dedent("""
    import json, sys
    import openai
    client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0)
    out = {"version": openai.__version__}
    with client.responses.stream(model="tiny", input="hi", max_output_tokens=30, text={"format": {
            "type": "json_schema", "name": "n", "schema": {"enum": ["a", "b"]}}}) as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        final = stream.get_final_response()
    out["text"] = text == final.output_text
    tool = {"type": "function", "name": "weather", "strict": True, "parameters": {"type": "object", "properties": {
        "city": {"enum": ["Paris", "Oslo"]}}, "required": ["city"], "additionalProperties": False}}
    with client.responses.stream(model="tiny", input="hi", tools=[tool], tool_choice="required",
                                 parallel_tool_calls=False, max_output_tokens=300) as stream:
        for event in stream:
            pass
        final = stream.get_final_response()
    out["calls"] = [[item.name, json.loads(item.arguments)] for item in final.output]
    items = [item.model_dump(exclude_none=True, include={"type", "call_id", "name", "arguments"})
             for item in final.output]
    results = [{"type": "function_call_output", "call_id": item["call_id"], "output": "sun"} for item in items]
    again = client.responses.create(model="tiny", tools=[tool], max_output_tokens=4,
                                    input=[{"role": "user", "content": "hi"}] + items + results)
    out["again"] = again.status
    whole = client.responses.create(model="tiny", input="hi", max_output_tokens=2)
    out["cut"] = [whole.status, whole.incomplete_details.reason if whole.incomplete_details else None]
    print(json.dumps(out))
""")


class AgentsSdks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server(harness.model(max_position_embeddings=4096), template="deepseek-v3.2",
                                    settings=["model.context_tokens=4096"])

    def run_script(self, name, script):
        python = packages.sdk(name)
        if python is None:
            self.skipTest(f"{packages.SDKS[name]} cannot be installed here")
        done = subprocess.run([str(python), "-c", script, f"http://127.0.0.1:{self.server.port}"],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        return json.loads(done.stdout.splitlines()[-1])

    def test_67_anthropic(self):
        out = self.run_script("anthropic", MESSAGES)
        self.assertEqual((out["models"], out["signatures"], out["stop_reason"]), (["tiny"], 1, "tool_use"))
        self.assertEqual(out["blocks"][0], "thinking")
        self.assertTrue(all(inputs["city"] in ("Paris", "Oslo") for inputs in out["inputs"]))
        self.assertIn(out["again"], ("end_turn", "max_tokens"))
        self.assertEqual(out["count"], out["used"])
        self.assertEqual(out["model"], ["NotFoundError", "not_found_error"])
        self.assertEqual(out["long"], ["BadRequestError", "invalid_request_error"])

    def check_responses(self, name):
        out = self.run_script(name, RESPONSES)
        self.assertTrue(out["text"])
        self.assertTrue(out["calls"])
        for called, arguments in out["calls"]:
            self.assertEqual(called, "weather")
            self.assertIn(arguments["city"], ("Paris", "Oslo"))
        self.assertIn(out["again"], ("completed", "incomplete"))
        self.assertEqual(out["cut"], ["incomplete", "max_output_tokens"])

    def test_62_openai_today(self):
        self.check_responses("today")

    def test_62_openai_2(self):
        self.check_responses("v2")


if __name__ == "__main__":
    unittest.main()
