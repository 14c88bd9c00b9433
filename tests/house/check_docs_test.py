"""check_docs finds each kind of promise that is not kept."""
import pathlib
import tempfile
import unittest

import tools

check_docs = tools.load("tools/check_docs.py")

README = """# Title
See [the tour](docs/tour.md), [a part](docs/tour.md#second-part) and `src/base/check.h`.
Proved by `Check.ShowsTheValues`. Outside: [x](https://example.org).

```
$ build/release/fathom inspect DIR --json
```
"""
SOUND = {"README.md": README, "docs/tour.md": "# Tour\n\n## Second `part`\n",
         "src/base/README.md": "# base\n", "src/base/check.h": ""}
FATHOM = """#!/bin/sh
case "$*" in
  "--help") echo "commands: inspect"; echo "--help";;
  "inspect --help") echo "--json  print JSON";;
  *) exit 1;;
esac
"""


def errors(readme, names=("Check.ShowsTheValues",), more=()):
    with tempfile.TemporaryDirectory() as name:
        root = tools.write_tree(name, {**SOUND, "README.md": readme, **dict(more), "bin": FATHOM})
        (root / "bin").chmod(0o755)
        binary = check_docs.Binary(str(root / "bin"))
        return check_docs.check(root, binary, list(names))[1]


class CheckDocs(unittest.TestCase):
    def test_sound_documents_pass(self):
        self.assertEqual(errors(README), [])

    def test_a_dead_link_is_found(self):
        self.assertEqual(errors("# T\n[x](docs/none.md)\n"),
                         ["README.md:2: link to docs/none.md, which does not exist"])

    def test_marks_of_a_merge_are_found(self):
        self.assertEqual(errors("# T\n<<<<<<< HEAD\na\n=======\nb\n>>>>>>> main\n"),
                         [f"README.md:{n}: the mark of an unresolved merge" for n in (2, 6)])

    def test_a_dead_anchor_is_found(self):
        self.assertEqual(errors("# T\n[x](docs/tour.md#third)\n"),
                         ["README.md:2: link to docs/tour.md#third: tour.md has no such heading"])

    def test_a_missing_path_is_found(self):
        self.assertEqual(errors("`src/base/none.h`\n"), ["README.md:1: `src/base/none.h` does not exist"])

    def test_a_missing_command_and_flag_are_found(self):
        self.assertEqual(errors("`fathom fly --high`\n"), ["README.md:1: `fathom fly` is not a command"])
        self.assertEqual(errors("```\nfathom inspect DIR --high\n```\n"),
                         ["README.md:2: `fathom inspect` has no flag --high"])

    def test_a_missing_test_is_found(self):
        self.assertEqual(errors("`Check.Flies`\n"), ["README.md:1: no test is named Check.Flies"])
        self.assertEqual(errors("`cli.flies`\n"), ["README.md:1: no test is named cli.flies"])

    def test_parameterised_tests_are_known(self):
        self.assertTrue(check_docs.known_test("Mla.Works", ["AllIsas/Mla.Works/2"]))
        self.assertTrue(check_docs.known_test("Mla.Works", ["Mla/0.Works"]))
        self.assertFalse(check_docs.known_test("Mla.Works", ["Mla.WorksToo"]))

    def test_a_planned_section_may_promise(self):
        self.assertEqual(errors("# T\n## Planned, not there yet\n`fathom fly`\n## Now\n"), [])
        self.assertEqual(len(errors("# T\n## Planned, not there yet\n## Now\n`fathom fly`\n")), 1)

    def test_a_module_needs_a_readme(self):
        self.assertEqual(errors(README, more=[("src/io/json.h", "")]), ["src/io/ has no README.md"])


if __name__ == "__main__":
    unittest.main()
