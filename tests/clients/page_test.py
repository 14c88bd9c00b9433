#!/usr/bin/env python3
"""The pages of a server in Debian's headless Chromium: serving.md, section 7, checks 97 to 100.

One browser and one server serve all tests. Skipped where chromium, chromedriver or python3-selenium is missing.
"""
import unittest

import browser  # skips  # noqa: F401
from page_chat import ChatPage  # noqa: F401
from page_extras import ChatPageExtras  # noqa: F401
from page_admin import AdminPage, AdminPageWithKeys  # noqa: F401
from page_axe import Accessibility  # noqa: F401


def load_tests(loader, tests, pattern):
    """In an order in which nobody waits for the server's first samples."""
    del tests, pattern
    cases = (ChatPage, ChatPageExtras, AdminPage, AdminPageWithKeys, Accessibility)
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


if __name__ == "__main__":
    unittest.main()
