"""tools/mutate: lists are read, texts found whatever their line breaks, and put behind a switch."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import tools

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "mutate"))
import mutants  # noqa: E402

LIST = """\
# of the module m
m.late src/a.cc
  was  if («x <= 1») {
  now  x < 1
  by   m_test X*:Y*, cli.m
m.silent src/a.cc
  was  { «log();»
  now  ;
  by   m_test
"""
SOURCE = "void f(int x) {\n  if (x <=\n      1) {\n    log();\n  }\n}\n"


def apply(list_text, source):
    with tempfile.TemporaryDirectory() as name:
        root = tools.write_tree(name, {"src/a.cc": source})
        found = mutants.parse(list_text, "m")
        if mutants.lost(root, found):
            return mutants.lost(root, found)
        return mutants.apply_all(root, list(enumerate(found, 1)))["src/a.cc"]


class MutateTest(unittest.TestCase):
    def test_help_is_shown(self):
        script = pathlib.Path(mutants.__file__).with_name("mutate.py")
        shown = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("at least 90 % of them", shown.stdout)

    def test_a_list_is_read(self):
        late, silent = mutants.parse(LIST, "m")
        self.assertEqual((late.id, late.file, late.now), ("m.late", "src/a.cc", "x < 1"))
        self.assertEqual(late.by, ["m_test X*:Y*", "cli.m"])
        self.assertEqual(mutants.choose([late, silent], ["m.silent"]), [silent])
        self.assertEqual(mutants.choose([late, silent], ["m"]), [late, silent])

    def test_expressions_and_statements_are_switched(self):
        text = apply(LIST, SOURCE)
        self.assertIn("fathom_mutant == 1) ? (x < 1) : (x <=\n      1))) {", text)
        self.assertIn("fathom_mutant == 2) { ; } else { log(); }", text)

    def test_a_mutant_may_lie_within_another(self):
        text = apply("m.a src/a.cc\n was «x + y»;\n now x\n by m_test\n"
                     "m.b src/a.cc\n was x + «y»\n now z\n by m_test\n", "f = x + y;\n")
        self.assertRegex(text, r"== 1\) \? \(x\) : \(x \+ \(.*== 2\) \? \(z\) : \(y\)\)\)")

    def test_a_text_that_is_gone_or_there_twice_is_named(self):
        self.assertEqual(apply(LIST, SOURCE.replace("<=", "<")), ["m.late: 0 times in src/a.cc"])
        self.assertEqual(apply(LIST, SOURCE + SOURCE)[0], "m.late: 2 times in src/a.cc")

    def test_a_list_with_faults_is_refused(self):
        for faulty in (LIST.replace("«", ""), LIST.replace("  now  ;\n", "")):
            with self.assertRaises(mutants.ListError):
                mutants.parse(faulty, "m")
        with self.assertRaises(mutants.ListError):
            mutants.choose(mutants.parse(LIST, "m"), ["m.nothing"])


if __name__ == "__main__":
    unittest.main()
