"""schemathesis (from PyPI) against docs/openapi.yaml: whatever it makes up, no 500, nothing hangs, and answers are
as they are described. Skipped by name where the package cannot be had.

FATHOM_SCHEMA_EXAMPLES says how many requests each endpoint gets, FATHOM_SCHEMA_SEED which.
"""
import os
import pathlib
import subprocess
import unittest

import harness
import packages
from accounts_test import Accounts

DESCRIPTION = pathlib.Path(harness.ROOT, "docs/openapi.yaml")
PACKAGE = "schemathesis>=4,<5"
EXAMPLES = os.environ.get("FATHOM_SCHEMA_EXAMPLES", "30")
SEED = os.environ.get("FATHOM_SCHEMA_SEED", "1")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


class Schema(unittest.TestCase):
    def test_nothing_that_can_be_described_breaks_the_server(self):
        python = packages.python_with("schemathesis", PACKAGE)
        if python is None:
            self.skipTest(f"{PACKAGE} cannot be installed here")
        accounts = Accounts(settings=["api.max_tokens=8", "api.max_thinking_tokens=8"])
        root = accounts.add_key("root", "--admin")
        server = accounts.start()
        done = subprocess.run(
            [str(python.parent / "schemathesis"), "run", str(DESCRIPTION), "--url", f"http://127.0.0.1:{server.port}",
             "--header", f"Authorization: Bearer {root}", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
             "--max-examples", EXAMPLES, "--request-timeout", "20", "--seed", SEED, "--continue-on-failure", "--no-color"],
            capture_output=True, text=True, timeout=280, env=harness.environment(), cwd=accounts.config.parent)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])
        self.assertEqual(server.get("/health")[0], 200)
        self.assertFalse([line for line in server.log if " failed: " in line])
        server.stop()


if __name__ == "__main__":
    unittest.main()
