"""The programs of examples/ with the real `openai` SDK, and the settings there with the requests that clients make."""
import json
import pathlib
import re
import subprocess
import sys
import unittest

import harness
import packages
from harness import chat_body

EXAMPLES = harness.ROOT / "examples"


def served():
    return harness.Server(harness.model(max_position_embeddings=32768), settings=["api.max_tokens=900"])


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.python = packages.sdk("today")
        if cls.python is None:
            raise unittest.SkipTest(f"{packages.SDKS['today']} cannot be installed here")
        cls.server = served()

    def run_example(self, name, *arguments, text="", rc=0):
        environment = harness.environment() | {"OPENAI_BASE_URL": f"http://127.0.0.1:{self.server.port}/v1",
                                               "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([str(self.python), str(EXAMPLES / name), *map(str, arguments)], input=text,
                              capture_output=True, text=True, timeout=200, env=environment)
        self.assertEqual(done.returncode, rc, done.stdout + done.stderr + "".join(self.server.log[-8:]))
        return done

    def test_chat_with_tools(self):
        done = self.run_example("chat_with_tools.py", text="What time is it in Oslo?\nAnd in Paris?\n")
        self.assertGreaterEqual(done.stdout.count("\n"), 2)

    def test_documents(self):
        folder = harness.Folder().path
        (folder / "a.md").write_text("# Doors\n\nThe door opens at nine.\n")
        done = self.run_example("documents.py", folder, "When does the door open?")
        self.assertRegex(done.stderr, r"\[search \{", "it has to look before it speaks")
        self.run_example("documents.py", rc=1)

    def test_customer_questions(self):
        done = self.run_example("customer_questions.py", EXAMPLES / "customer_questions.md",
                                text="When are you open?\nTakk!\n")
        counts = [(int(all_), int(cached)) for all_, cached in
                  re.findall(r"\[(\d+) tokens, (\d+) of them cached\]", done.stderr)]
        self.assertEqual(len(counts), 2, done.stderr)
        self.assertGreater(counts[1][1], counts[0][0] // 2, "the rules are not computed again")

    def test_extract_json(self):
        schema = harness.Folder().path / "schema.json"
        schema.write_text(json.dumps({"type": "object", "properties": {"size": {"enum": ["S", "M"]}},
                                      "required": ["size"], "additionalProperties": False}))
        done = self.run_example("extract_json.py", schema, text="A shirt, medium.")
        self.assertIn(json.loads(done.stdout)["size"], ("S", "M"))

    def test_an_invoice_has_its_form_or_is_refused(self):
        done = subprocess.run([str(self.python), "-c", "import sys; sys.path.insert(0, sys.argv[1]); "
                               "import json, extract_json; print(json.dumps(extract_json.INVOICE))", str(EXAMPLES)],
                              capture_output=True, text=True, timeout=60)
        answer = self.server.chat("An invoice", temperature=1, seed=3, max_tokens=4000, response_format={
            "type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": json.loads(done.stdout)}})
        choice = answer["choices"][0]
        if choice["finish_reason"] == "stop":
            self.assertEqual(list(json.loads(choice["message"]["content"])),
                             ["seller", "number", "date", "currency", "lines"])

    def test_functions_that_fail_are_told(self):
        script = """if True:
            import json, sys
            sys.path.insert(0, sys.argv[1])
            import agent
            def breaks(word):
                "Breaks."
                raise ValueError("broken")
            client, model = agent.connect()
            messages = [{"role": "user", "content": "Hi"}]
            agent.answer(client, model, messages, [breaks], first_choice="required")
            print(json.dumps([[m["role"], m["content"]] for m in messages]))
            print(agent.call({}, "nothing", "{}"), agent.call({"f": breaks}, "f", '{"wo'))
        """
        environment = harness.environment() | {"OPENAI_BASE_URL": f"http://127.0.0.1:{self.server.port}/v1"}
        done = subprocess.run([str(self.python), "-B", "-c", script, str(EXAMPLES)], capture_output=True, text=True,
                              timeout=200, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        turns, errors = done.stdout.splitlines()
        self.assertIn(["tool", "error: ValueError: broken"], json.loads(turns))
        self.assertEqual(json.loads(turns)[-1][0], "assistant")
        self.assertIn("error: KeyError", errors)
        self.assertIn("error: JSONDecodeError", errors)


class Search(unittest.TestCase):
    """The library of documents.py needs no SDK but for its import."""

    def setUp(self):
        sys.path.insert(0, str(EXAMPLES))
        self.addCleanup(sys.path.remove, str(EXAMPLES))
        stub = type(sys)("agent")  # only main() speaks to a server
        sys.modules["agent"] = stub
        self.addCleanup(sys.modules.pop, "agent")
        import documents
        self.documents = documents
        self.addCleanup(sys.modules.pop, "documents")

    def test_the_passage_that_says_it_comes_first_with_its_line(self):
        folder = pathlib.Path(harness.Folder().path)
        (folder / "deep").mkdir()
        (folder / "deep/b.txt").write_text("\n\n".join(f"Paragraph {i} about nothing. " * 30 for i in range(9)) +
                                           "\n\nThe watchdogs bark at midnight.\n")
        (folder / "a.md").write_text("Cats.\n")
        (folder / "c.png").write_bytes(b"watchdog")
        library = self.documents.Library(folder)
        found = library.search("watchdog barking?")
        self.assertTrue(found.startswith("(deep/b.txt:"), found)
        line = int(re.match(r"\(deep/b\.txt:(\d+)\)", found)[1])
        text = (folder / "deep/b.txt").read_text().split("\n")
        piece = found.split("\n", 1)[1].split("\n\n(")[0]
        self.assertEqual(piece.split("\n")[0], text[line - 1])
        self.assertEqual(library.search('"; DROP * NEAR('), "nothing was found")
        self.assertEqual(library.search(""), "nothing was found")

    def test_passages_lose_nothing(self):
        text = "a\n\n\nb\n" + "c" * 4000 + "\n\n d\n"
        pieces = list(self.documents.passages(text))
        self.assertEqual("".join("".join(piece.split()) for _, piece in pieces), "".join(text.split()))
        for line, piece in pieces:
            self.assertIn(piece.split("\n")[0], text.split("\n")[line - 1])


class Clients(unittest.TestCase):
    """The requests that clients with these settings make, as their sources have them."""

    @classmethod
    def setUpClass(cls):
        cls.server = served()

    def settings(self, name):
        return (EXAMPLES / "clients" / name).read_text()

    def path_of(self, url, path):
        """The path that the client asks for, with the base URL of its settings."""
        base = re.search(r"http://127\.0\.0\.1:8080(\S*?)[\"\s]", url)[1]
        return base.rstrip("/") + path

    def test_open_webui(self):
        base = self.path_of(re.search(r"OPENAI_API_BASE_URL: .*\n", self.settings("open_webui.yaml"))[0], "")
        bearer = {"Authorization": "Bearer none"}
        status, _, models = self.server.request("GET", base + "/models", headers=bearer)
        self.assertEqual(status, 200)
        model = models["data"][0]["id"]
        body = {"stream": True, "model": model, "messages": [{"role": "user", "content": "Hi"}],
                "stream_options": {"include_usage": True}, "max_tokens": 5}
        self.assertEqual(self.server.chunks(base + "/chat/completions", body)[-1]["choices"], [])
        title = {"model": model, "messages": [{"role": "user", "content": "### Task:\nA title."}], "stream": False,
                 "max_completion_tokens": 5}
        status, headers, answer = self.server.post(base + "/chat/completions", title, bearer)
        self.assertEqual((status, headers["x-fathom-ignored"]), (200, None), answer)

    def test_cline(self):
        body = {"model": "tiny", "temperature": 0, "stream": True, "stream_options": {"include_usage": True},
                "max_tokens": 5, "messages": [
                    {"role": "system", "content": "You are Cline."},
                    {"role": "user", "content": [{"type": "text", "text": "<task>\nHi\n</task>"},
                                                 {"type": "text", "text": "<environment_details>"}]}]}
        usage = self.server.chunks("/v1/chat/completions", body)[-1]["usage"]
        self.assertEqual(usage["prompt_cache_hit_tokens"] + usage["prompt_cache_miss_tokens"], usage["prompt_tokens"])

    def test_continue(self):
        text = self.settings("continue.yaml")
        chat, cursor = re.findall(r"provider: (\w+)\n(?:.*\n)*?    apiBase: (\S+)\n", text)
        self.assertEqual((chat[0], cursor[0]), ("openai", "deepseek"))
        body = chat_body(stream=True, max_tokens=5, tools=[{"type": "function", "function": {
            "name": "read_file", "description": "d", "parameters": {"type": "object", "properties": {
                "filepath": {"type": "string"}}, "required": ["filepath"]}}}], parallel_tool_calls=False)
        self.server.chunks(self.path_of(chat[1] + "\n", "/chat/completions"), body)
        at_cursor = {"model": "tiny", "prompt": "def f(", "suffix": "return 1", "max_tokens": 5, "temperature": 0.01,
                     "stop": ["<fim>", "/src/", "#- coding: utf-8", "```"], "stream": True}
        chunks = self.server.chunks(self.path_of(cursor[1] + "\n", "/beta/completions"), at_cursor)
        self.assertTrue(all("text" in chunk["choices"][0] for chunk in chunks))

    def test_claude_code(self):
        settings = json.loads(self.settings("claude_code.json"))["env"]
        base = self.path_of(settings["ANTHROPIC_BASE_URL"] + '"', "")
        headers = {"Authorization": f"Bearer {settings['ANTHROPIC_AUTH_TOKEN']}", "anthropic-version": "2023-06-01",
                   "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14", "x-app": "cli"}
        body = {"model": "tiny", "max_tokens": 5, "stream": True,
                "system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=00000;"},
                           {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}}],
                "messages": [{"role": "user", "content": [
                    {"type": "text", "text": "<system-reminder>\n</system-reminder>"},
                    {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}],
                "tools": [{"name": "Bash", "description": "Runs a command.", "input_schema": {
                    "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {
                        "command": {"type": "string"}, "timeout": {"type": "number"}},
                    "required": ["command"], "additionalProperties": False}}],
                "metadata": {"user_id": "user_x_account__session_y"}}
        status, _, text = self.server.post(base + "/v1/messages?beta=true", body, headers)
        self.assertEqual(status, 200, text)
        self.assertIn("event: message_stop", text)
        count = {key: body[key] for key in ("model", "messages", "tools")}
        status, _, answer = self.server.post(base + "/v1/messages/count_tokens?beta=true", count, headers)
        self.assertEqual(status, 200, answer)

    def test_names_in_the_settings_are_one_model(self):
        names = set(json.loads(self.settings("claude_code.json"))["env"][key] for key in
                    ("ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_HAIKU_MODEL"))
        names |= set(re.findall(r"\n    model: (\S+)", self.settings("continue.yaml")))
        self.assertEqual(len(names), 1)


if __name__ == "__main__":
    unittest.main()
