"""The operator's page."""
import re
import threading

import harness
from accounts_test import Accounts, bearer
from browser import BrowserTest
from harness import chat_body
from selenium.webdriver.common.keys import Keys

CHAT = "/v1/chat/completions"


class AdminPageTest(BrowserTest):
    def setUp(self):
        self.emulate()

    def open(self, server):
        self.url = f"http://127.0.0.1:{server.port}/"
        self.forget_all(self.url)
        self.browser.get(self.url + "admin")

    def ask(self, server, headers=None, **fields):
        """A request that does not end by itself."""
        body = chat_body("Hi", max_tokens=20000, ignore_eos=True) | fields
        thread = threading.Thread(target=lambda: server.post(CHAT, body, headers), daemon=True)
        thread.start()
        return thread

    def tile(self, name):
        return self.text(f"[data-name={name}] b")


class AdminPage(AdminPageTest):
    """Without keys."""

    def setUp(self):
        super().setUp()
        self.open(self.server)
        self.until(lambda: self.text("#state") == "serving", "the figures")

    def test_figures_of_now(self):
        self.assertRegex(self.text("#model"), r"^tiny$")
        self.assertRegex(self.text("#uptime"), r"^up \d")
        self.assertEqual(self.tile("open"), "0")
        self.assertEqual(self.text("#requests-note"), "Nothing is being answered.")
        finished = int(self.tile("finished").replace(",", ""))
        self.server.chat("One")
        self.until(lambda: int(self.tile("finished").replace(",", "")) == finished + 1, "one more")
        self.assertFalse(self.one("#usage").is_displayed())
        self.assertTrue(self.one("#usage-none").is_displayed())
        self.assertEqual(self.nameless_controls(), [])

    def test_a_request_is_seen_and_ended(self):
        one, other = self.ask(self.server), self.ask(self.server)
        self.until(lambda: len(self.find("tr[data-phase=decode]")) == 2, "two requests")
        self.assertEqual(self.text("#requests-note"), "0 queued · 0 in prefill · 2 in decode")
        row = self.find("#requests tbody tr")[0]
        first = row.get_attribute("data-id")
        button = row.find_element("css selector", "button")
        self.js("arguments[0].focus()", button)
        generated = row.find_elements("css selector", "td")[3]
        before = generated.text
        self.assertRegex(before, r"^[\d,]+ of 20,000$")
        self.until(lambda: generated.text != before, "more tokens in the same row")
        self.assertEqual(self.js("return document.activeElement"), button)  # it kept the focus
        self.until(lambda: float(self.tile("decode").replace(",", "")) > 0, "tokens a second")
        button.send_keys(Keys.ENTER)
        alert = self.browser.switch_to.alert
        self.assertIn(f"End request {first} of local?", alert.text)
        alert.dismiss()
        self.assertEqual(len(self.find("tr[data-phase=decode]")), 2)
        button.send_keys(Keys.ENTER)
        self.browser.switch_to.alert.accept()
        self.until(lambda: len(self.find("tr[data-phase=decode]")) == 1, "the end of one")
        self.assertEqual(self.text("#status"), f"Request {first} was ended.")
        self.find("#requests tbody button")[0].click()
        self.browser.switch_to.alert.accept()
        one.join()
        other.join()
        self.until(lambda: self.text("#requests-note") == "Nothing is being answered.", "the end of all")

    def test_charts_have_tables(self):
        self.server.chat("One")
        self.until(lambda: self.find("#activity svg[role=img]"), "the first samples")
        labels = [e.get_attribute("aria-label") for e in self.find("#activity svg[role=img]")]
        self.assertEqual(len(labels), 5)
        self.assertRegex(labels[0], r"^Tokens, a second\. Decode: \S+ now, at most \S+; Prefill: ")
        self.find("#activity summary")[0].click()
        self.until(lambda: self.find("#activity details[open] tbody tr"), "the table")
        head = [e.text for e in self.find("#activity details[open] thead th")]
        self.assertEqual(head, ["Time", "Decode", "Prefill"])
        self.assertRegex(self.find("#activity details[open] tbody tr")[0].text, r"^\d\d:\d\d \S+ \S+$")
        path = self.js("return document.querySelector('.line.series-0').getAttribute('d') || "
                       "document.querySelector('.plot path.series-0').getAttribute('d')")
        self.assertNotIn("NaN", path)

    def test_samples_are_added_once_and_the_oldest_go(self):
        found = self.browser.execute_async_script("""const [done] = arguments;
            import('/page/admin/activity.js').then(({Activity}) => {
              const names = ['seconds', 'prompt_tokens', 'cached_tokens', 'generated_tokens', 'draft_tokens', 'accepted_tokens',
                             'finished', 'failed', 'refused', 'cancelled', 'running', 'waiting', 'cache_share'];
              const samples = (from, to) => {
                const end_s = Array.from({length: to - from}, (_, i) => 5 * (from + i));
                return {end_s, ...Object.fromEntries(names.map((name) => [name, end_s.map(() => 1)]))};
              };
              const activity = new Activity();
              const seen = [activity.after];
              activity.add(samples(1, 101));
              seen.push(activity.after, activity.columns.end_s.length);
              activity.add(samples(101, 801));
              seen.push(activity.after, activity.columns.end_s.length, activity.columns.end_s[0], activity.columns.running.length);
              activity.forget();
              seen.push(activity.after);
              done(seen);
            });""")
        self.assertEqual(found, [0, 500, 100, 4000, 720, 405, 720, 0])

    def test_pause_stops_the_requests(self):
        self.one("#pause").click()
        self.assertEqual(self.one("#pause").get_attribute("aria-pressed"), "true")
        self.js("performance.clearResourceTimings()")
        self.assertEqual(self.browser.execute_async_script("""const done = arguments[0];
            setTimeout(() => done(performance.getEntriesByType('resource').length), 1500);"""), 0)
        self.one("#pause").click()
        self.until(lambda: self.js("return performance.getEntriesByType('resource').length") > 0, "requests again")

    def test_on_a_phone(self):
        self.emulate(width=360)
        self.until(lambda: self.find("#activity svg[role=img]"), "charts")
        self.no_sideways_scroll("html", "main")
        self.assertEqual(self.small_targets(), [])

    def test_a_slash_behind_the_address_leads_to_it(self):
        self.browser.get(self.url + "admin/")
        self.until(lambda: self.text("#state") == "serving", "the figures")
        self.assertEqual(self.browser.current_url, self.url + "admin")

    def test_a_server_that_is_away(self):
        server = harness.Server()
        self.open(server)
        self.until(lambda: self.text("#state") == "serving", "the figures")
        server.stop()
        self.until(lambda: "does not answer" in self.text("#banner"), "the banner")
        self.assertTrue(self.one("#tiles").is_displayed())  # what was last known
        self.forget_log("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")


class AdminPageWithKeys(AdminPageTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.accounts = Accounts(toml="[prices.all]\ninput = 1000\noutput = 2000\n")
        cls.alice = cls.accounts.add_key("alice", "--quota-tokens", "100000", "--period", "day")
        cls.bob = cls.accounts.add_key("bob", "--requests-per-minute", "1000")
        cls.root = cls.accounts.add_key("root", "--admin")
        cls.accounts.add_key("gone")
        cls.accounts.run("keys", "revoke", "gone", "--config", str(cls.accounts.config))
        cls.keyed = cls.accounts.start()

    @classmethod
    def tearDownClass(cls):
        cls.keyed.stop()

    def enter(self, key):
        self.until(lambda: self.one("#key").is_displayed(), "the field for a key")
        self.one("#key").send_keys(key, Keys.ENTER)

    def test_it_opens_with_a_key_of_an_admin_alone(self):
        self.open(self.keyed)
        self.enter("sk-fathom-wrong")
        self.until(lambda: "does not know this key" in self.text("#key-problem"), "what is wrong with it")
        self.enter(self.alice)
        self.until(lambda: "not one of an admin" in self.text("#key-problem"), "what is wrong with it")
        self.assertFalse(self.one("#figures").is_displayed())
        self.enter(self.root)
        self.until(lambda: self.one("#figures").is_displayed(), "the figures")
        self.assertFalse(self.one("#key-form").is_displayed())
        self.assertNotIn(self.root, self.js("return JSON.stringify(localStorage) + document.body.innerHTML"))
        self.browser.refresh()
        self.until(lambda: self.one("#figures").is_displayed(), "the figures, as this tab has the key")
        self.forget_log("401", "403")

    def test_usage_and_keys(self):
        for key, times in ((self.alice, 3), (self.bob, 1)):
            for _ in range(times):
                self.keyed.post(CHAT, chat_body("Hi"), bearer(key))
        used = self.wait_for_usage()
        alice = next(line for line in used["usage"] if line["key"] == "alice")
        self.open(self.keyed)
        self.enter(self.root)
        self.until(lambda: self.find("#usage-chart rect.area"), "bars")
        rows = {row.text.split()[0]: row.text.split() for row in self.find("#usage-keys tbody tr")}
        self.assertEqual({key: row[1] for key, row in rows.items()},
                         {line["key"]: str(line["requests"]) for line in used["usage"]} | {"All": str(used["total"]["requests"])})
        self.assertEqual(float(rows["alice"][-1]), float(alice["cost"]))
        self.assertEqual(float(rows["All"][-1]), float(used["total"]["cost"]))
        tokens = alice["prompt_tokens"] + alice["completion_tokens"]
        titles = [e.get_attribute("textContent") for e in self.find("#usage-chart rect.area title")]
        self.assertTrue(any(re.search(rf", alice: {tokens}$", title) for title in titles), titles)
        keys = {row.text.split()[0]: row.text for row in self.find("#keys tbody tr")}
        self.assertEqual(list(keys), ["alice", "bob", "root", "gone"])
        self.assertIn(f"{tokens} of 100,000 a day", keys["alice"])
        self.assertIn("valid", keys["bob"])
        self.assertIn("1,000", keys["bob"])
        self.assertIn("valid, admin", keys["root"])
        self.assertIn("revoked", keys["gone"])
        self.find("#usage-measure option")[1].click()
        self.until(lambda: any(f", alice: {alice['requests']}" in e.get_attribute("textContent")
                               for e in self.find("#usage-chart rect.area title")), "requests")
        self.find("#usage-chart summary")[0].click()
        self.assertEqual(len(self.find("#usage-chart tbody tr")), 30)
        csv = self.browser.execute_async_script("""const done = arguments[0];
            URL.createObjectURL = (blob) => { blob.text().then(done); return 'blob:none'; };
            HTMLAnchorElement.prototype.click = () => {};
            document.getElementById('usage-csv').click();""")
        self.assertRegex(csv, r"^key,day,requests,.*\r\nalice,")
        self.forget_log("401")

    def wait_for_usage(self):
        """What is in the database once every request that has ended is there."""
        def settled():
            used = self.accounts.usage("--by", "key")
            ended = self.keyed.ok_get("/admin/status", bearer(self.root))["totals"]["finished"]
            return used if used["total"]["requests"] == ended else None
        return self.until(settled, "the rows")

    def ask_until(self, seen):
        while not seen.is_set():
            self.ask(self.keyed, bearer(self.bob), max_tokens=900).join()

    def test_a_request_has_its_key(self):
        self.open(self.keyed)
        self.enter(self.root)
        self.until(lambda: self.one("#figures").is_displayed(), "the figures")
        seen = threading.Event()
        asking = threading.Thread(target=lambda: self.ask_until(seen))
        asking.start()
        self.until(lambda: "bob" in self.text("#requests tbody"), "the request")
        seen.set()
        asking.join()
        self.forget_log("401")
