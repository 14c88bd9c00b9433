"""The runner of the black-box texts: every expectation holds when it should and fails when it should."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "house"))
import tools  # noqa: E402

run_cli_tests = tools.load("tests/cli/run_cli_tests.py")


def run(text):
    """-> the first line of each error."""
    with tempfile.TemporaryDirectory() as name:
        path = tools.write_tree(name, {"x.clitest": text}) / "x.clitest"
        count, errors = run_cli_tests.run_file(path, None)
        return count, [error.splitlines()[0] for _, error in errors
                       if not error.startswith(("stdout was", "stderr was"))]


class RunCliTests(unittest.TestCase):
    def test_everything_that_holds_passes(self):
        self.assertEqual(run('''\
# a comment
file sub/in.txt:
    one
      two

    four

$ cat sub/in.txt; echo note >&2
stdout:
    one
      two

    four
stderr:
    note
stdout~: ^ +two$
stdout!~: three
$ tr a-z A-Z
stdin:
    shout
stdout:
    SHOUT
$ exit \\
  3
exit: 3
stdout:
$ echo '{"a": [1, {"b": "text"}], "n": 2.5}'
json: a.1.b == "text"
json: a.1.b ~ ^te
json: n <= 2.5
'''), (4, []))

    def test_what_does_not_hold_is_found(self):
        cases = {"$ exit 1\n": "exit 1, expected 0",
                 "$ true\nexit: 1\n": "exit 0, expected 1",
                 "$ kill -SEGV $$\n": "exit -11, expected 0",
                 "$ false | true\n": "exit 1, expected 0",
                 "$ echo a\nstdout:\n": "stdout differs:",
                 "$ echo a\nstdout:\n    b\n": "stdout differs:",
                 "$ echo a\nstdout~: b\n": "stdout does not match /b/",
                 "$ echo a\nstdout!~: a\n": "stdout has /a/ and must not: 'a'",
                 "$ echo a >&2\nstderr:\n": "stderr differs:",
                 "$ echo '{\"a\": 1}'\njson: a == 2\n": "a is 1, expected == 2",
                 "$ echo '{\"a\": 1}'\njson: b == 2\n": "no b in stdout's JSON (KeyError: 'b')",
                 "$ echo no\njson: a == 2\n": "no a in stdout's JSON",
                 "$ sleep 5\ntimeout_s: 1\n": "still running after 1 s",
                 "$ echo 'ERROR: AddressSanitizer: x' >&2\n": "stderr shows a crash"}
        for text, expected in cases.items():
            with self.subTest(text):
                errors = run(text)[1]
                self.assertEqual(len(errors), 1, errors)
                self.assertTrue(errors[0].startswith(expected), errors[0])

    def test_a_file_that_says_nothing_or_nonsense_fails(self):
        for text in ("", "# only a comment\n", "exit: 1\n", "$ true\nstdout ~: x\n",
                     "$ true\nstdout: inline\n", "$ true\nstdout~: (\n", "$ true\njson: a = 1\n"):
            with self.subTest(text):
                self.assertEqual(len(run(text)[1]), 1)


if __name__ == "__main__":
    unittest.main()
