"""The chat page: files, calls of tools, long questions, presets, what an answer cost, prefill progress."""
import json
import pathlib
import tempfile

import harness
from page_chat import ChatPageTest, chat_file, node
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"enum": ["Ulm"]}}, "required": ["city"],
    "additionalProperties": False}}}]


class ChatPageExtras(ChatPageTest):
    def watch_requests(self):
        self.js("""window.sent = [];
            const original = window.fetch;
            window.fetch = (url, options) => {
              if (options?.body) window.sent.push(JSON.parse(options.body));
              return original(url, options);
            };""")

    def attach(self, **files):
        """Attaches files of these names and bytes as a person does."""
        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for name, content in files.items():
                paths.append(pathlib.Path(folder, name.replace("_", ".")))
                paths[-1].write_bytes(content if isinstance(content, bytes) else content.encode())
            before = len(self.find("#files .file"))
            self.js("document.getElementById('toast').hidden = true")
            self.one("#attach-file").send_keys("\n".join(map(str, paths)))
            self.until(lambda: len(self.find("#files .file")) > before or self.one("#toast").is_displayed(), "the files")

    def test_rank_15_files_go_with_the_question(self):
        self.watch_requests()
        self.attach(notes_txt="first\nsecond", data_csv="a,b")
        self.until(lambda: len(self.find("#files .file")) == 2, "both files")
        self.one("#files [aria-label='Remove the file data.csv']").click()
        self.send("What is this?")
        self.assertEqual(self.js("return window.sent[0].messages[0].content"),
                         "[file name]: notes.txt\n[file content begin]\nfirst\nsecond\n[file content end]\nWhat is this?")
        self.assertEqual(self.find("#files .file"), [])
        self.assertEqual(self.texts("user"), ["What is this?"])
        self.one(".message.user .file summary").click()
        self.until(lambda: self.text(".message.user .file pre") == "first\nsecond", "the text of the file")
        question = self.saved()[0]["nodes"][0]
        self.assertEqual((question["content"], question["files"]),
                         ("What is this?", [{"name": "notes.txt", "text": "first\nsecond"}]))
        self.button(".message.user .edit")
        self.one(".editor textarea").send_keys("?")
        self.one(".editor button[type=submit]").click()
        self.finish()
        self.assertIn("second\n[file content end]\nWhat is this??", self.js("return window.sent.at(-1).messages[0].content"))

    def test_rank_15_what_is_no_text_is_refused(self):
        for files, words in (({"picture_png": b"\x89PNG"}, "images are not read"),
                             ({"odd_txt": b"caf\xe9"}, "expected text in UTF-8"),
                             ({"null_txt": b"a\0b"}, "expected text in UTF-8"),
                             ({"large_txt": b"a" * ((1 << 20) + 1)}, "larger than 1 MiB")):
            self.attach(**files)
            self.until(lambda: words in self.text("#toast-text"), words)
            self.assertIn(words, self.text("#status"))  # what screen readers hear
            self.assertEqual(self.find("#files .file"), [])
        self.attach(just_txt=b"a" * (1 << 20), picture_gif=b"GIF89a")
        self.until(lambda: len(self.find("#files .file")) == 1, "the file that is not too large")

    def test_rank_15_long_pastes_and_drops_become_files(self):
        dropped = self.js("""const data = new DataTransfer();
            data.items.add(new File(['dropped text'], 'a.txt', {type: 'text/plain'}));
            const fire = (name) => document.getElementById('sidebar').dispatchEvent(
                new DragEvent(name, {dataTransfer: data, bubbles: true, cancelable: true}));
            return [fire('dragover'), document.querySelector('main').classList.contains('dropping'), fire('drop'),
                    document.querySelector('main').classList.contains('dropping')];""")
        self.assertEqual(dropped, [False, True, False, False])  # false: the browser does not open the file
        self.until(lambda: "a.txt" in self.text("#files"), "the file that was dropped")
        paste = """const data = new DataTransfer();
            data.setData('text/plain', arguments[0]);
            return document.getElementById('input').dispatchEvent(
                new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));"""
        self.assertTrue(self.js(paste, "short"))
        self.assertFalse(self.js(paste, "x" * 2001))
        self.assertFalse(self.js(paste, "y" * 2001))
        self.until(lambda: len(self.find("#files .file")) == 3, "what was pasted")
        names = [e.text.split(" ·")[0] for e in self.find("#files summary")]
        self.assertEqual(names, ["a.txt", "pasted text.txt", "pasted text.txt 2"])

    def test_rank_15_long_questions_show_their_beginning(self):
        self.load(chat_file("long", [node("q", "root", "user", "line\n" * 60), node("a", "q", "assistant", "Yes."),
                                     node("r", "a", "user", "short")]))
        height = "return document.querySelector('.message.user .body').getBoundingClientRect().height"
        self.assertEqual(len(self.find(".fold")), 1)
        folded = self.js(height)
        self.one(".fold").click()
        self.assertGreater(self.js(height), 3 * folded)
        self.assertEqual(self.one(".fold").get_attribute("aria-expanded"), "true")
        self.send("More")
        self.assertGreater(self.js(height), 3 * folded)  # it stays open while the chat goes on
        self.one(".fold").click()
        self.assertEqual(self.js(height), folded)

    def test_calls_of_tools_are_shown_and_sent_along(self):
        self.load(chat_file("tools", tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_tokens=200))
        self.send("How warm is it?")
        self.assertEqual(self.text(".calls summary"), "Calls weather")
        self.assertEqual(self.text(".calls pre"), '{\n  "city": "Ulm"\n}')
        answer = self.saved()[0]["nodes"][-1]
        self.assertEqual(answer["finish"], "tool_calls")
        call = answer["tool_calls"][0]
        self.assertEqual((call["function"]["name"], json.loads(call["function"]["arguments"])), ("weather", {"city": "Ulm"}))
        self.assertRegex(self.one(".speed").text, r"first token [\d.]+ s")
        self.button(".raw-button")
        raw = json.loads(self.text(".raw"))
        self.assertEqual(raw["message"]["tool_calls"], answer["tool_calls"])
        self.assertEqual((raw["finish_reason"], raw["usage"]["completion_tokens"]),
                         ("tool_calls", answer["usage"]["completion_tokens"]))
        self.button(".raw-button")
        self.assertEqual(self.find(".raw"), [])
        self.watch_requests()
        self.send("And?")
        self.until(lambda: self.saved()[0]["nodes"][-1]["state"] == "done", "the next answer")
        self.assertEqual(self.js("return window.sent[0].messages[1].tool_calls"), answer["tool_calls"])
        self.find(".results textarea")[0].send_keys("20 degrees")
        self.find(".results button")[0].click()
        self.until(lambda: self.saved()[0]["nodes"][-2]["role"] == "tool", "the result")
        self.finish()
        self.assertEqual(self.js("return window.sent[1].messages.at(-1)"),
                         {"role": "tool", "tool_call_id": call["id"], "name": "weather", "content": "20 degrees"})
        self.assertEqual(self.text(".message.tool pre"), "20 degrees")
        self.assertEqual(self.text(".message.tool .count"), "2/2")  # a branch beside the next question
        exported = self.browser.execute_async_script("""const done = arguments[0];
            URL.createObjectURL = (blob) => { blob.text().then(done); return 'blob:none'; };
            HTMLAnchorElement.prototype.click = () => {};
            document.getElementById('export-markdown').click();""")
        self.assertIn("Calls `weather`:\n\n```\n" + call["function"]["arguments"] + "\n```", exported)
        self.assertIn("## Result of weather\n\n```\n20 degrees\n```", exported)

    def test_rank_7_a_thought_that_was_opened_stays_open(self):
        thought = node("a", "q", "assistant", "Yes.") | {"reasoning": "Hm."}
        self.load(chat_file("thought", [node("q", "root", "user", "q"), thought]))
        self.one(".thinking summary").click()
        self.until(lambda: self.one(".thought").is_displayed(), "the thought")
        self.send("More")
        self.assertTrue(self.find(".thought")[0].is_displayed())

    def test_rank_6_a_thought_that_was_stopped_goes_on(self):
        self.load(chat_file("thinks", thinking="enabled", ignore_eos=True, max_tokens=20000, logit_bias={"70": 100}))
        self.send("Go", wait=False)
        self.until(lambda: len(self.saved()[0]["nodes"][-1]["reasoning"]) > 20, "some of the thought")
        self.one("#stop").click()
        self.finish()
        before = self.until(lambda: self.saved()[0]["nodes"][-1], "the answer")
        self.assertEqual((before["state"], before["content"]), ("stopped", ""))
        self.watch_requests()
        self.button(".continue")
        self.until(lambda: len(self.saved()[0]["nodes"][-1]["reasoning"]) > len(before["reasoning"]) + 5, "more of it")
        self.one("#stop").click()
        self.finish()
        self.assertEqual(self.js("return window.sent[0].messages.at(-1)"), {
            "role": "assistant", "content": "", "reasoning_content": before["reasoning"], "prefix": True})
        after = self.saved()[0]["nodes"]
        self.assertEqual(len(after), 2)
        self.assertTrue(after[-1]["reasoning"].startswith(before["reasoning"]))

    def test_rank_11_speed_is_told_while_it_comes_and_after_a_stop(self):
        self.long_chat()
        self.send("Go", wait=False)
        self.until(lambda: "tokens/s" in self.text(".message.assistant .speed"), "the speed of what comes")
        self.assertIn("tokens of context used", self.text(".message.assistant .speed"))
        self.one("#stop").click()
        self.finish()
        self.assertRegex(self.text(".message.assistant .speed"), r"tokens/s · first token [\d.]+ s · \d+ tokens")

    def test_rank_11_how_far_the_prompt_is_read(self):
        self.load(chat_file("reading", max_tokens=5))
        self.js("""window.seen = [];
            new MutationObserver(() => {
              const bar = document.querySelector('progress:not([hidden])');
              if (bar) window.seen.push([bar.value, document.querySelector('.assistant .notice').textContent]);
            }).observe(document.getElementById('thread'), {subtree: true, childList: true, attributes: true, characterData: true});""")
        self.attach(book_txt="word " * 800)
        self.send("Read it")
        seen = self.js("return window.seen")
        self.assertGreater(len({value for value, _ in seen}), 1, seen)
        self.assertEqual([value for value, _ in seen], sorted(value for value, _ in seen))
        self.assertRegex(seen[-1][1], r"^Reading the prompt: \d+ of 4\d{3} tokens$")
        self.assertFalse(self.one("progress").is_displayed())
        self.assertNotIn("progress", self.saved()[0]["nodes"][-1])

    def settings(self):
        self.one("#open-settings").click()
        return self.until(lambda: self.one("#settings").is_displayed(), "the settings")

    def save(self):
        self.one("#settings button[value=save]").click()
        self.until(lambda: not self.one("#settings").is_displayed(), "the end of the settings")

    def test_rank_12_the_models_defaults_are_shown(self):
        self.settings()
        shown = {name: self.one(f"[name={name}]").get_attribute("placeholder")
                 for name in ("temperature", "top_p", "top_k", "max_tokens", "seed")}
        self.assertEqual(shown, {"temperature": "1", "top_p": "1", "top_k": "0", "max_tokens": "40", "seed": ""})

    def test_rank_12_presets(self):
        self.settings()
        self.one("[name=system]").send_keys("Be short.")
        self.one("[name=temperature]").send_keys("0.5")
        self.one("[name=fields]").send_keys('{"stop": ["END"]}')
        self.one("#save-preset").click()
        self.one("[name=preset_name]").send_keys("brief", Keys.ENTER)
        self.save()
        self.js("document.getElementById('new-chat').click()")
        self.settings()
        self.assertEqual(self.one("[name=system]").get_attribute("value"), "")
        self.one("[name=preset]").find_element(By.CSS_SELECTOR, "option[value=brief]").click()
        self.assertEqual(self.one("[name=system]").get_attribute("value"), "Be short.")
        self.save()
        self.watch_requests()
        self.send("Hi")
        sent = self.js("return window.sent[0]")
        self.assertEqual((sent["temperature"], sent["stop"], sent["messages"][0]["content"]), (0.5, ["END"], "Be short."))
        self.assertNotIn("top_p", sent)
        self.browser.refresh()
        self.ready()
        self.settings()
        self.one("[name=preset]").find_element(By.CSS_SELECTOR, "option[value=brief]").click()
        self.one("#delete-preset").click()
        self.assertEqual(len(self.find("[name=preset] option")), 1)
        self.save()

    def test_rank_12_wrong_fields_are_not_kept(self):
        self.settings()
        for text in ("{", "[1]", '"x"', '{"temperature": 1}', '{"messages": []}'):
            self.one("[name=fields]").clear()
            self.one("[name=fields]").send_keys(text)
            self.one("#settings button[value=save]").click()
            self.assertTrue(self.one("#settings").is_displayed(), text)
        message = self.js("return document.querySelector('[name=fields]').validationMessage")
        self.assertEqual(message, "messages is what this page fills in")
        self.one("#settings button[value=cancel]").click()
        self.until(lambda: not self.one("#settings").is_displayed(), "the end of the settings")

    def test_rank_3_files_calls_and_presets_are_exported_and_checked(self):
        question = node("q", "root", "user", "q") | {"files": [{"name": "a.txt", "text": "<b>"}]}
        content = chat_file("kept", [question])
        content["preferences"] = {"presets": {"one": {"system": "s", "settings": {}}}}
        self.assertEqual(self.load(content), "Imported 1 chat.")
        self.assertEqual(self.saved()[0]["nodes"][0]["files"], question["files"])
        self.settings()
        self.assertEqual(len(self.find("[name=preset] option")), 2)
        self.one("#settings button[value=cancel]").click()
        wrong = chat_file("x", [node("q", "root", "user", "") | {"files": [{"name": 1}]}])
        calls = chat_file("x", [node("q", "root", "assistant", "") | {"tool_calls": [{"id": "1", "function": {}}]}])
        cut = node("a", "q", "assistant", "") | {"tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"city": "U'}}]}
        self.assertEqual(self.load(chat_file("cut", [question, cut])), "Imported 1 chat.")
        self.one("#chats button[title=cut]").click()
        self.watch_requests()
        self.send("Go on")  # a call that was cut is not sent, or the server would refuse the chat for ever
        self.assertNotIn("tool_calls", self.js("return window.sent[0].messages[1]"))
        presets = chat_file("x") | {"preferences": {"presets": {"p": 1}}}
        for file, message in ((wrong, "chats[0].nodes[0].files[0].name: expected a string"),
                              (calls, "chats[0].nodes[0].tool_calls[0].function.name: expected a string"),
                              (presets, "preferences.presets.p: expected {system, settings}")):
            self.js("document.getElementById('toast').hidden = true")
            self.assertIn(message, self.load(file))
        self.assertEqual(len(self.saved()), 2)

    def long_history(self, turns):
        nodes, parent = [], "root"
        for i in range(turns):
            text = f"Answer {i} with *words* and $x_{i}$.\n\n```js\nlet a = {i};\n```\n\n" * 12
            nodes += [node(f"q{i}", parent, "user", f"Question {i}"), node(f"a{i}", f"q{i}", "assistant", text)]
            parent = f"a{i}"
        return chat_file("history", nodes, max_tokens=5)

    def test_rank_2_a_long_answer_opens_in_pieces(self):
        text = "".join(f"Paragraph {i} of *words*, `code` and $x_{i}$.\n\n```js\nlet a = {i};\n```\n\n- one\n- two\n\n" for i in range(700))
        self.load(chat_file("one", [node("q", "root", "user", "q"), node("a", "q", "assistant", text)]))
        share, blocks, shown = self.browser.execute_async_script("""const [text, done] = arguments;
            document.getElementById('new-chat').click();
            document.querySelector('#chats button').click();
            const atOnce = document.querySelectorAll('.assistant .block').length;
            const look = setInterval(() => {
              const body = document.querySelector('.assistant .body');
              if (!document.querySelector('.assistant .again')) return;
              clearInterval(look);
              import('/page/chat/markdown.js').then(({Markdown}) => {
                const whole = document.createElement('div');
                new Markdown(whole).update(text, true);
                done([atOnce / whole.children.length, whole.children.length === body.children.length, whole.textContent === body.textContent]);
              });
            }, 20);""", text)
        self.assertTrue(blocks and shown)
        self.assertLess(share, 0.6)  # the rest came later, so that nothing waited for all of it

    def test_rank_2_a_long_chat_opens_in_pieces_and_goes_on_without_being_drawn_anew(self):
        self.load(self.long_history(30))
        at_once = self.js("""document.getElementById('new-chat').click();
            document.querySelector('#chats button').click();
            return document.querySelectorAll('.assistant .block').length;""")
        self.assertLess(at_once, 0.6 * 30 * 24)
        self.until(lambda: self.js("return document.querySelectorAll('.assistant .block').length") == 30 * 24, "all blocks")
        rest = "const s = document.getElementById('scroll'); return s.scrollHeight - s.scrollTop - s.clientHeight"
        self.until(lambda: self.js(rest) <= 2, "the end")
        self.assertEqual(self.texts("user")[-1], "Question 29")
        self.js("window.first = document.querySelector('.message'); window.last = [...document.querySelectorAll('.message')].at(-1)")
        self.js("[...document.querySelectorAll('.edit')].at(-1).click()")
        self.one(".editor textarea").send_keys("!")
        self.one(".editor button[type=submit]").click()
        self.until(lambda: self.find(".message.assistant .count"), "the branch")
        same = self.js("""const all = [...document.querySelectorAll('.message')];
            return [all[0] === window.first, all.at(-1) === window.last, all.length];""")
        self.assertEqual(same, [True, False, 60])
