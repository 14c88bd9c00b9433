"""check_isa_objects finds weak symbols in real objects; needs a C++ compiler, as the build does."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import tools

check_isa_objects = tools.load("tools/check_isa_objects.py")
COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")


def check(source):
    with tempfile.TemporaryDirectory() as name:
        folder = tools.write_tree(name, {"linear_avx2.cc": source})
        subprocess.run([COMPILER, "-std=c++20", "-O0", "-c", "linear_avx2.cc", "-o",
                        "linear_avx2.cc.o"], cwd=folder, check=True)
        return check_isa_objects.check(pathlib.Path(name), "nm")[1]


class CheckIsaObjects(unittest.TestCase):
    def test_a_freestanding_file_passes(self):
        self.assertEqual(check("namespace { int twice(int x) { return 2 * x; } }\n"
                               "int table(int x) { return twice(x); }\n"), [])

    def test_a_shared_template_is_found(self):
        errors = check("template <typename T> T twice(T x) { return x + x; }\n"
                       "int table(int x) { return twice(x); }\n")
        self.assertEqual(len(errors), 1)
        self.assertRegex(errors[0], r"linear_avx2\.cc\.o: weak symbol .*twice")

    def test_no_object_is_an_error(self):
        with tempfile.TemporaryDirectory() as name:
            self.assertIn("no ISA object", check_isa_objects.check(pathlib.Path(name), "nm")[1][0])


if __name__ == "__main__":
    unittest.main()
