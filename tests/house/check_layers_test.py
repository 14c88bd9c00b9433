"""check_layers finds each kind of broken layering, and only that."""
import tempfile
import unittest

import tools

check_layers = tools.load("tools/check_layers.py")

LAYERS = "base:\ntensor: base  # memory\nmodel: base tensor\ncli: *\ntesting: base tensor\n"
CMAKE = ("fathom_module(base LIBS fmt::fmt)\nfathom_module(tensor DEPS base)\n"
         "fathom_module(model DEPS base tensor LIBS json)\nfathom_module(cli DEPS model)\n")
SOUND = {"layers.txt": LAYERS, "CMakeLists.txt": CMAKE, "base/check.h": "#pragma once\n",
         "tensor/view.h": '#include "base/check.h"\n#include <vector>\n',
         "model/mla.cc": '#include "model/mla.h"\n#include "tensor/view.h"\n',
         "model/test_support.h": '#include "testing/expect.h"\n',
         "model/mla_test.cc": '#include "testing/expect.h"\n#include "model/mla.h"\n'}


def errors(changes):
    with tempfile.TemporaryDirectory() as folder:
        return check_layers.check(tools.write_tree(folder, {**SOUND, **changes}))[1]


class CheckLayers(unittest.TestCase):
    def test_a_sound_tree_passes(self):
        self.assertEqual(errors({}), [])

    def test_an_upward_include_is_found(self):
        for quote in ('"model/mla.h"', "<model/mla.h>"):
            self.assertEqual(errors({"tensor/bad.h": f"// x\n#include {quote}\n"}),
                             ["tensor/bad.h:2: tensor may not include model"])

    def test_only_tests_include_testing(self):
        self.assertEqual(errors({"model/bad.cc": '#include "testing/expect.h"\n'}),
                         ["model/bad.cc:1: model may not include testing"])

    def test_climbing_is_found(self):
        self.assertIn("climbs out", errors({"tensor/bad.h": '#include "../model/mla.h"\n'})[0])

    def test_a_rule_that_points_up_is_found(self):
        self.assertEqual(errors({"layers.txt": LAYERS.replace("tensor: base", "tensor: base model")}),
                         ["layers.txt: tensor may not allow model: it is not below it"])

    def test_deps_beyond_the_rules_are_found(self):
        self.assertIn("CMakeLists.txt: tensor has DEPS model, which layers.txt does not allow",
                      errors({"CMakeLists.txt": CMAKE.replace("tensor DEPS base",
                                                              "tensor DEPS base model")}))

    def test_an_include_without_its_dep_is_found(self):
        self.assertEqual(errors({"CMakeLists.txt": CMAKE.replace("DEPS base tensor", "DEPS base")}),
                         ["model/mla.cc:2: model includes tensor, missing from its DEPS in CMakeLists.txt"])

    def test_a_folder_without_lines_is_found(self):
        self.assertEqual(errors({"util/all.h": "\n"}),
                         ["util/ has no line in layers.txt",
                          "util/ has no fathom_module line in CMakeLists.txt"])


if __name__ == "__main__":
    unittest.main()
