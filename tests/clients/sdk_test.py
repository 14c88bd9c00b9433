"""The real `openai` SDK, today's and 2.x, against a real server: checks 3, 16, 18 and 46.

The SDKs come from PyPI into a virtual environment beside the binary, which is kept for the next run. Where
packages cannot be had, the tests are skipped by name.
"""
import json
import subprocess
import textwrap
import unittest

import harness
import packages

SCRIPT = textwrap.dedent("""
    import json, sys, time
    import openai
    base = sys.argv[1]
    client = openai.OpenAI(base_url=base + "/v1", api_key="none", max_retries=2)
    out = {"version": openai.__version__}
    out["models"] = [m.id for m in client.models.list()]
    messages = [{"role": "user", "content": "Hi"}]
    common = dict(model="tiny", messages=messages, temperature=0, max_tokens=6)
    whole = client.chat.completions.create(**common)
    out["content"] = whole.choices[0].message.content
    out["usage"] = [whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens]
    text, usage = "", None
    for chunk in client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **common):
        usage = chunk.usage or usage
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
    out["streamed"], out["streamed_usage"] = text, usage.total_tokens
    forced = {"extra_body": {"structured_outputs": {"choice": ["helped"]}}, "max_tokens": 50}
    with client.chat.completions.stream(**{**common, **forced}) as stream:
        out["helper"] = stream.get_final_completion().choices[0].message.content
    forced = client.chat.completions.create(
        model="tiny", messages=messages, response_format={"type": "json_schema", "json_schema": {
            "name": "n", "strict": True, "schema": {"type": "object", "properties": {
                "a": {"enum": ["x", "y"]}}, "required": ["a"]}}})
    out["json"] = json.loads(forced.choices[0].message.content)
    text = client.completions.create(model="tiny", prompt="abc", max_tokens=4, echo=True, logprobs=1)
    out["echo"] = text.choices[0].text
    out["logprobs"] = len(text.choices[0].logprobs.tokens)
    def fails(call):
        begin = time.monotonic()
        try:
            call()
        except openai.APIError as error:
            return [type(error).__name__, getattr(error, "code", None), time.monotonic() - begin < 1]
    out["embeddings"] = fails(lambda: client.embeddings.create(model="tiny", input="a"))
    out["model"] = fails(lambda: client.chat.completions.create(model="nope", messages=messages))
    out["range"] = fails(lambda: client.chat.completions.create(**{**common, "temperature": 3}))
    print(json.dumps(out))
""")


class Sdk(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server()

    def check(self, name):
        python = packages.sdk(name)
        if python is None:
            self.skipTest(f"{packages.SDKS[name]} cannot be installed here")
        done = subprocess.run([str(python), "-c", SCRIPT, f"http://127.0.0.1:{self.server.port}"],
                              capture_output=True, text=True, timeout=120, env=harness.environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        out = json.loads(done.stdout)
        self.assertEqual(out["models"], ["tiny"])
        self.assertEqual(out["streamed"], out["content"])
        self.assertEqual(out["helper"], "helped")
        self.assertEqual(out["usage"][0] + out["usage"][1], out["usage"][2])
        self.assertEqual(out["streamed_usage"], out["usage"][2])
        self.assertIn(out["json"]["a"], ("x", "y"))
        self.assertTrue(out["echo"].startswith("abc"))
        self.assertGreater(out["logprobs"], 4)
        self.assertEqual(out["embeddings"], ["NotFoundError", "not_found", True])
        self.assertEqual(out["model"], ["NotFoundError", "model_not_found", True])
        self.assertEqual(out["range"], ["BadRequestError", "value_out_of_range", True])

    def test_03_16_18_46_openai_of_today(self):
        self.check("today")

    def test_03_16_18_46_openai_2(self):
        self.check("v2")


if __name__ == "__main__":
    unittest.main()
