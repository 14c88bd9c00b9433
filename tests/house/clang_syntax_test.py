"""clang_syntax shows what Clang refuses in a GCC build's sources; skipped by name without clang++."""
import contextlib
import io
import json
import pathlib
import shutil
import sys
import tempfile
import unittest
from unittest import mock

import tools

clang_syntax = tools.load("tools/clang_syntax.py")
GOOD = "int twice(int x) { return 2 * x; }\n"


COMMAND = "/usr/bin/ccache c++ -std=c++20 -Wall -Wextra -Wno-restrict"
PRECOMPILED = "env CCACHE_SLOPPINESS=pch_defines ccache c++ -Winvalid-pch -include /x/cmake_pch.hxx"


def run(sources, *options, compiler=COMMAND):
    """-> (exit code, what was printed) of a build with these sources."""
    with tempfile.TemporaryDirectory() as name:
        folder = tools.write_tree(name, sources)
        entries = [{"directory": name, "file": str(folder / source),
                    "command": f"{compiler} -o x.o -c {source}"}
                   for source in sources]
        (folder / "compile_commands.json").write_text(json.dumps(entries), encoding="utf-8")
        printed = io.StringIO()
        with mock.patch.object(sys, "argv", ["clang_syntax.py", str(folder), *options]), \
                contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = clang_syntax.main()
        left = sorted(p.name for p in pathlib.Path(name).iterdir())
        return code, printed.getvalue(), left


@unittest.skipUnless(shutil.which("clang++"), "clang++ is not installed")
class ClangSyntax(unittest.TestCase):
    def test_good_sources_pass_and_no_object_is_written(self):
        code, printed, left = run({"a.cc": GOOD})
        self.assertEqual(code, 0, printed)
        self.assertIn("1 of 1 files ok", printed)
        self.assertEqual(left, ["a.cc", "compile_commands.json"])

    def test_sources_that_are_compiled_as_one_are_checked_one_by_one(self):
        for includes, code_wanted in (("#include <string>\n", 0), ("", 1)):
            with tempfile.TemporaryDirectory() as name:
                folder = tools.write_tree(name, {
                    "a.cc": "#include <string>\nstd::string a() { return {}; }\n",
                    "b.cc": includes + "std::string b() { return {}; }\n"})
                unity = folder / "Unity" / "unity_src_cxx.cxx"
                unity.parent.mkdir()
                unity.write_text("".join(f'#include "{folder / file}"\n' for file in ("a.cc", "b.cc")),
                                 encoding="utf-8")
                entries = [{"directory": name, "file": str(unity), "command": f"{COMMAND} -o x.o -c {unity}"}]
                (folder / "compile_commands.json").write_text(json.dumps(entries), encoding="utf-8")
                printed = io.StringIO()
                with mock.patch.object(sys, "argv", ["clang_syntax.py", name]), \
                        contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                    code = clang_syntax.main()
                self.assertEqual(code, code_wanted, printed.getvalue())
                self.assertIn(f"{2 - code_wanted} of 2 files ok", printed.getvalue())

    def test_a_warning_of_clang_alone_is_an_error(self):
        # Of an unused constant in an unnamed namespace GCC says nothing.
        unused = "namespace { constexpr float kUnused = 1.0f; }\n"
        code, printed, _ = run({"a.cc": GOOD, "b.cc": unused}, "--jobs=2")
        self.assertEqual(code, 1)
        self.assertIn("b.cc", printed)
        self.assertIn("1 of 2 files ok", printed)

    def test_tests_are_left_out_unless_asked_for(self):
        sources = {"a.cc": GOOD, "a_test.cc": "not C++\n"}
        self.assertEqual(run(sources)[0], 0)
        self.assertEqual(run(sources, "--all")[0], 1)

    def test_a_precompiled_header_stands_in_for_no_include(self):
        self.assertEqual(run({"a.cc": GOOD}, compiler=PRECOMPILED)[0], 0)
        code, printed, _ = run({"a.cc": "std::string a;\n"}, compiler=PRECOMPILED)
        self.assertEqual(code, 1)
        self.assertNotIn("cmake_pch", printed)

    def test_names_choose_files(self):
        sources = {"a.cc": GOOD, "b.cc": "not C++\n"}
        self.assertEqual(run(sources, "/a.cc")[0], 0)


if __name__ == "__main__":
    unittest.main()
