"""check_layers finds each kind of broken layering, and only that."""
import pathlib
import tempfile
import unittest

import tools

check_layers = tools.load("tools/check_layers.py")

LAYERS = """
base:
tensor: base  # memory
text/unicode: base
text: base text/unicode
text/chat: base text text/unicode
model: base tensor
engine: base model
serve: base text engine !model
cli: *
testing: base tensor
*_test: testing
*_bench: testing
text/*_bench: tensor
fuzz: base text
"""
CMAKE = """
fathom_module(base LIBS fmt::fmt)
fathom_module(tensor DEPS base)
fathom_module(text DEPS base)
fathom_module(model DEPS base tensor LIBS json)
fathom_module(engine DEPS base model)
fathom_module(serve DEPS text engine)
fathom_module(cli DEPS model)
fathom_module(testing DEPS base tensor)
"""
SOUND = {
    "src/layers.txt": LAYERS, "src/CMakeLists.txt": CMAKE,
    "src/base/check.h": "#pragma once\n",
    "src/tensor/view.h": '#include "base/check.h"\n#include <vector>\n',
    "src/text/unicode/utf8.h": '#include "base/check.h"\n',
    "src/text/unicode/utf8_test.cc": '#include "text/tokenizer.h"\n',
    "src/text/files/json.cc": '#include "text/tokenizer.h"\n#include "text/unicode/utf8.h"\n',
    "src/text/tokenizer.h": '#include "text/unicode/utf8.h"\n',
    "src/text/text_bench.cc": '#include "tensor/view.h"\n',
    "src/text/chat/render.h": '#include "text/tokenizer.h"\n',
    "src/model/layer.cc": '#include "model/layer.h"\n#include "tensor/view.h"\n',
    "src/model/layer.h": "#pragma once\n",
    "src/model/test_support.h": '#include "testing/expect.h"\n',
    "src/model/layer_test.cc": '#include "testing/expect.h"\n#include "model/layer.h"\n',
    "src/engine/session.h": '#include "engine/state.h"\n',
    "src/engine/state.h": '#include "base/check.h"\n',
    "src/engine/session.cc": '#include "model/layer.h"\n',
    "src/serve/server.cc": '#include "engine/session.h"\n#include "text/chat/render.h"\n',
    "src/testing/expect.h": '#include "tensor/view.h"\n',
    "fuzz/chat_fuzz.cc": '#include "text/chat/render.h"\n',
}


def errors(changes):
    with tempfile.TemporaryDirectory() as folder:
        tools.write_tree(folder, {**SOUND, **changes})
        return check_layers.check(pathlib.Path(folder) / "src")[1]


def with_line(line):
    """The rules with one line instead of the folder's own."""
    name = line.split(":")[0]
    kept = [old for old in LAYERS.splitlines() if old.split(":")[0] != name]
    where = [old.split(":")[0] for old in LAYERS.splitlines()].index(name)
    return {"src/layers.txt": "\n".join(kept[:where] + [line] + kept[where:]) + "\n"}


class CheckLayers(unittest.TestCase):
    def test_a_sound_tree_passes(self):
        self.assertEqual(errors({}), [])

    def test_an_upward_include_is_found(self):
        for quote in ('"model/layer.h"', "<model/layer.h>"):
            self.assertEqual(errors({"src/tensor/bad.h": f"// x\n#include {quote}\n"}),
                             ["tensor/bad.h:2: tensor may not include model"])

    def test_climbing_is_found(self):
        self.assertIn("climbs out", errors({"src/tensor/bad.h": '#include "../model/layer.h"\n'})[0])

    def test_a_rule_that_points_up_is_found(self):
        self.assertEqual(errors(with_line("tensor: base model")),
                         ["layers.txt: tensor may not allow model: it is not below it"])

    def test_a_rule_that_names_an_unknown_folder_is_found(self):
        self.assertEqual(errors(with_line("engine: base model text/other")),
                         ["layers.txt: engine names text/other, which has no line of its own"])


class Subfolders(unittest.TestCase):
    def test_a_folder_with_a_line_includes_only_what_it_names(self):
        self.assertEqual(errors({"src/text/unicode/bad.h": '#include "text/tokenizer.h"\n'}),
                         ["text/unicode/bad.h:1: text/unicode may not include text"])
        self.assertEqual(errors(with_line("text/chat: base text/unicode")),
                         ["text/chat/render.h:1: text/chat may not include text"])

    def test_the_folder_above_names_it_too(self):
        self.assertEqual(errors({"src/text/bad.h": '#include "text/chat/render.h"\n'}),
                         ["text/bad.h:1: text may not include text/chat"])

    def test_a_folder_without_a_line_follows_the_one_above(self):
        self.assertEqual(errors({"src/text/files/bad.cc": '#include "text/chat/render.h"\n'}),
                         ["text/files/bad.cc:1: text may not include text/chat"])

    def test_its_rule_points_downwards(self):
        self.assertEqual(errors(with_line("text/unicode: base text"))[0],
                         "layers.txt: text/unicode may not allow text: it is not below it")

    def test_a_line_needs_its_folder(self):
        self.assertEqual(errors({"src/layers.txt": LAYERS + "model/training: model\n"}),
                         ["layers.txt: there is no folder model/training"])


class Hidden(unittest.TestCase):
    def test_what_is_hidden_is_found_through_headers(self):
        self.assertEqual(errors({"src/engine/state.h": '#include "model/layer.h"\n'}),
                         ["serve may not see model: model/layer.h <- engine/state.h <- "
                          "engine/session.h <- serve/server.cc"])

    def test_a_test_may_see_it(self):
        self.assertEqual(errors({"src/engine/made.h": '#include "model/layer.h"\n',
                                 "src/serve/server_test.cc": '#include "engine/made.h"\n'}), [])


class TestsAndBenches(unittest.TestCase):
    def test_only_tests_and_benches_include_testing(self):
        self.assertEqual(errors({"src/model/bad.cc": '#include "testing/expect.h"\n'}),
                         ["model/bad.cc:1: model may not include testing"])
        self.assertEqual(errors({"src/model/layer_bench.cc": '#include "testing/expect.h"\n'}), [])

    def test_a_test_includes_nothing_above_its_module(self):
        self.assertEqual(errors({"src/text/bad_test.cc": '#include "model/layer.h"\n'}),
                         ["text/bad_test.cc:1: text may not include model"])

    def test_a_test_sees_nothing_above_its_module_through_testing(self):
        self.assertEqual(errors({"src/base/check_test.cc": '#include "testing/expect.h"\n'}),
                         ["base/check_test.cc:1: base may not see tensor: "
                          "tensor/view.h <- testing/expect.h"])

    def test_a_line_for_the_benches_of_one_module(self):
        self.assertEqual(errors(with_line("text/*_bench: base")),
                         ["text/text_bench.cc:1: text may not include tensor"])
        self.assertEqual(errors({"src/text/bad_test.cc": '#include "tensor/view.h"\n'}),
                         ["text/bad_test.cc:1: text may not include tensor"])

    def test_testing_itself_has_a_line(self):
        self.assertEqual(errors({"src/testing/bad.h": '#include "model/layer.h"\n'}),
                         ["testing/bad.h:1: testing may not include model"])

    def test_folders_beside_src_have_lines(self):
        self.assertEqual(errors({"fuzz/model_fuzz.cc": '#include "model/layer.h"\n'}),
                         ["fuzz/model_fuzz.cc:1: fuzz may not include model"])
        self.assertEqual(errors({"tests/property/model_test.cc": '#include "model/layer.h"\n'}),
                         ["tests/ has no line in layers.txt"])


class Modules(unittest.TestCase):
    def test_deps_beyond_the_rules_are_found(self):
        changed = CMAKE.replace("tensor DEPS base", "tensor DEPS base model", 1)
        self.assertIn("CMakeLists.txt: tensor has DEPS model, which layers.txt does not allow",
                      errors({"src/CMakeLists.txt": changed}))

    def test_an_include_without_its_dep_is_found(self):
        changed = CMAKE.replace("model DEPS base tensor", "model DEPS base")
        self.assertEqual(errors({"src/CMakeLists.txt": changed}),
                         ["model/layer.cc:2: model includes tensor, missing from its DEPS in CMakeLists.txt"])

    def test_a_folder_without_lines_is_found(self):
        self.assertEqual(errors({"src/util/all.h": "\n"}),
                         ["util/ has no line in layers.txt",
                          "util/ has no fathom_module line in CMakeLists.txt"])


if __name__ == "__main__":
    unittest.main()
