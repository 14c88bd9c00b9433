"""axe-core over both pages, light and dark, wide and narrow: check 99. It comes from PyPI and is skipped by name where that is out of reach."""
import unittest

import packages
from page_chat import ANSWER, ChatPageTest, chat_file, node

PACKAGE = "axe-playwright-python"  # whose wheel holds axe.min.js


def axe_script():
    folder = packages.folder_with("axe-core", PACKAGE)
    found = sorted(folder.rglob("axe.min.js")) if folder else []
    return found[0].read_text() if found else None


class Accessibility(ChatPageTest):
    @classmethod
    def setUpClass(cls):
        cls.axe = axe_script()
        if cls.axe is None:
            raise unittest.SkipTest(f"{PACKAGE} cannot be had here")
        super().setUpClass()

    def violations(self, name):
        """What axe finds on a wide page in light colours, and on a phone in dark ones."""
        found = {}
        if self.js("return !window.axe"):
            self.js(self.axe)
        for look, width, dark in (("light", None, False), ("dark phone", 360, True)):
            self.emulate(width, dark=dark)
            result = self.browser.execute_async_script("""const done = arguments[0];
                axe.run(document, {resultTypes: ['violations']}).then(done, (fault) => done({error: String(fault)}));""")
            self.assertNotIn("error", result)
            for rule in result["violations"]:
                where = [n["html"][:150] for n in rule["nodes"][:3]]
                found[f"{name}, {look}: {rule['impact']} {rule['id']}"] = where
        return found

    def test_99_the_chat_page(self):
        answer = node("a", "q", "assistant", ANSWER) | {"reasoning": "Hm.", "thought_ms": 1200, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
        question = node("q", "root", "user", "line\n" * 40) | {"files": [{"name": "a.txt", "text": "text"}]}
        failed = node("b", "q", "assistant", "") | {"state": "failed", "error": "no reason"}
        found = self.violations("empty")
        self.load(chat_file("axe", [question, failed, answer]))
        self.one(".thinking summary").click()
        self.button(".raw-button")
        found |= self.violations("chat")
        self.button(".message.user .edit")
        found |= self.violations("edit")
        self.one("#open-settings").click()
        found |= self.violations("settings")
        self.assertEqual(found, {})

    def test_99_the_operators_page(self):
        self.browser.get(self.url + "admin")
        self.until(lambda: self.find("#activity svg[role=img]"), "charts")
        self.find("#activity summary")[0].click()
        self.assertEqual(self.violations("admin"), {})
