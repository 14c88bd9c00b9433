"""check_test_labels finds tests and modules that `./test -L MODULE` would pass over."""
import tempfile
import unittest

import tools

check_test_labels = tools.load("tools/check_test_labels.py")

TREE = {"src/ops/elementwise/rope_test.cc": "", "src/model/training/mla_test.cc": "", "src/plan/size.cc": ""}
SOUND = {"Rope.Turns": ["fast", "ops"], "Mla.Gradient": ["fast", "model"], "cli.help": ["fast", "cli"]}


def errors(labels):
    with tempfile.TemporaryDirectory() as folder:
        return list(check_test_labels.check(tools.write_tree(folder, TREE), labels))


class CheckTestLabels(unittest.TestCase):
    def test_sound_labels_pass(self):
        self.assertEqual(errors(SOUND), [])

    def test_a_lost_second_label_is_found(self):
        self.assertEqual(errors({**SOUND, "Rope.Turns": ["fast"]}),
                         ["Rope.Turns has no label beside fast",
                          "no test is labelled ops, but src/ops/ has tests"])

    def test_a_test_that_is_not_fast_is_found(self):
        self.assertEqual(errors({**SOUND, "cli.help": ["cli", "slow"]}),
                         ["cli.help is labelled neither fast nor clients"])

    def test_the_clients_of_a_server_are_no_fast_tests(self):
        self.assertEqual(errors({**SOUND, "clients.page": ["clients", "serve"]}), [])
        self.assertEqual(errors({**SOUND, "clients.page": ["clients"]}),
                         ["clients.page has no label beside clients"])
        self.assertEqual(errors({**SOUND, "clients.page": ["clients", "fast", "serve"]}),
                         ["clients.page is labelled fast and clients"])

    def test_a_binary_that_is_not_built_is_passed_over(self):
        self.assertEqual(errors({"ops_test_NOT_BUILT": [], "Mla.Gradient": ["fast", "model"]}), [])

    def test_labels_are_read_from_ctest_s_listing(self):
        listing = {"tests": [{"name": "a", "properties": [{"name": "LABELS", "value": ["fast", "b"]}]},
                             {"name": "c"}]}
        self.assertEqual(check_test_labels.labels_of(listing), {"a": ["fast", "b"], "c": []})


if __name__ == "__main__":
    unittest.main()
