"""count_tests counts ctest's outcomes: not run is failed, unless the test chose to skip."""
import subprocess
import sys
import tempfile
import unittest

import tools

CASES = {
    "passed": '<testcase name="a" status="run"><system-out></system-out></testcase>',
    "failed": '<testcase name="b" status="fail"><failure message=""/></testcase>',
    "skipped": '<testcase name="c" status="notrun"><skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase>',
    "missing": '<testcase name="d" status="notrun"><skipped message="Unable to find executable"/></testcase>',
    "disabled": '<testcase name="e" status="disabled"></testcase>',
}


def close(*kinds):
    """-> (stdout's lines, exit code) for a run with these outcomes."""
    with tempfile.TemporaryDirectory() as name:
        xml = "<testsuite>" + "".join(CASES[kind] for kind in kinds) + "</testsuite>"
        path = tools.write_tree(name, {"r.xml": xml}) / "r.xml"
        run = subprocess.run([sys.executable, "-B", tools.ROOT / "tools/count_tests.py", path],
                             capture_output=True, text=True)
        return run.stdout.splitlines(), run.returncode


class CountTests(unittest.TestCase):
    def test_all_passed(self):
        self.assertEqual(close("passed", "passed"), (["2 passed, 0 failed"], 0))

    def test_a_failure_fails(self):
        self.assertEqual(close("passed", "failed"), (["1 passed, 1 failed"], 1))

    def test_a_missing_binary_fails(self):
        self.assertEqual(close("passed", "missing"), (["1 passed, 1 failed"], 1))

    def test_skipped_is_not_passed(self):
        self.assertEqual(close("passed", "skipped", "disabled"), (["2 skipped", "1 passed, 0 failed"], 0))

    def test_nothing_ran_fails(self):
        self.assertEqual(close(), (["0 passed, 0 failed"], 1))
        self.assertEqual(close("skipped"), (["1 skipped", "0 passed, 0 failed"], 1))


if __name__ == "__main__":
    unittest.main()
