"""One headless Chromium (Debian's) for all tests of the pages, and what a person does and sees in it.

Whoever imports this without chromium, chromedriver or python3-selenium is skipped.
"""
import atexit
import os
import shutil
import sys
import time
import unittest

import harness

SYSTEM_PYTHON = "/usr/bin/python3"  # for whose python Debian's packages are
try:
    from selenium import webdriver
except ImportError:
    if os.path.realpath(sys.executable) != os.path.realpath(SYSTEM_PYTHON) and os.path.exists(SYSTEM_PYTHON):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])
    print("skipped: no python3-selenium")
    sys.exit(77)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

DRIVER, BROWSER = shutil.which("chromedriver"), shutil.which("chromium")
if not (DRIVER and BROWSER):
    print("skipped: no chromium or no chromedriver")
    sys.exit(77)
WAIT_S = 20

_shared = {}


def chromium():
    """The browser, the same for all tests of this process."""
    if "browser" not in _shared:
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                         "--window-size=1200,800", "--force-prefers-reduced-motion", "--disable-extensions",
                         "--disable-background-networking", "--disable-sync", "--no-first-run"):
            options.add_argument(argument)
        options.page_load_strategy = "eager"  # tests wait for what they need
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.binary_location = BROWSER
        _shared["browser"] = webdriver.Chrome(service=Service(DRIVER), options=options)
        atexit.register(_shared["browser"].quit)
    return _shared["browser"]


def server():
    """A server without keys, the same for all tests of this process."""
    if "server" not in _shared:
        path = harness.model(max_position_embeddings=32768)
        _shared["server"] = harness.Server(path, settings=["api.max_tokens=40"])
    return _shared["server"]


class BrowserTest(unittest.TestCase):
    """Each test begins in a browser that keeps nothing and ends without a complaint of the browser's."""

    @classmethod
    def setUpClass(cls):
        cls.browser, cls.server = chromium(), server()
        cls.url = f"http://127.0.0.1:{cls.server.port}/"

    maxDiff = None

    def tearDown(self):
        self.js("sessionStorage.clear()")
        wrong = [e["message"] for e in self.browser.get_log("browser") if e["level"] == "SEVERE"]
        self.assertEqual(wrong, [])
        self.assertEqual(self.js("""return performance.getEntriesByType('resource')
            .map(e => e.name).filter(n => !n.startsWith(location.origin) && !n.startsWith('blob:'))"""), [])
        # A page that asks its server again and again would complain in the next test, when the server has gone.
        self.browser.get("about:blank")
        self.browser.get_log("browser")

    def js(self, text, *arguments):
        return self.browser.execute_script(text, *arguments)

    def find(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.until(lambda: self.find(selector), selector)[-1]

    def until(self, done, what, wait_s=WAIT_S):
        end = time.monotonic() + wait_s
        while True:
            value = done()
            if value:
                return value
            self.assertLess(time.monotonic(), end, f"waited for {what}")
            time.sleep(0.02)

    def text(self, selector):
        """Of an element that may be drawn anew at any moment."""
        return self.js("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def button(self, selector):
        self.js("arguments[0].click()", self.one(selector))

    def forget_log(self, *expected):
        """What the browser rightly complained about."""
        wrong = [entry for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        for entry in wrong:
            self.assertTrue(any(part in entry["message"] for part in expected), entry)

    def forget_all(self, url):
        """Leaves the page, and empties what the browser keeps of it."""
        self.browser.get("about:blank")
        self.browser.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": url[:-1], "storageTypes": "all"})

    def emulate(self, width=None, height=640, dark=False):
        """A phone of this width, or none; the system's colours."""
        if width is None:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        else:
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})

    def no_sideways_scroll(self, *selectors):
        for selector in selectors:
            wide = self.js("return document.querySelector(arguments[0]).scrollWidth - innerWidth", selector)
            self.assertLessEqual(wide, 0, selector)

    def small_targets(self):
        """Controls that are too low for a finger."""
        return self.js("""return [...document.querySelectorAll('button, input, textarea, select, summary')]
            .filter(e => e.checkVisibility() && e.type !== 'checkbox')
            .map(e => [e.id || e.className || e.textContent, e.getBoundingClientRect().height])
            .filter(e => e[1] < 44)""")

    def nameless_controls(self):
        return self.js("""return [...document.querySelectorAll('button, input, textarea, select')]
            .filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)""")
