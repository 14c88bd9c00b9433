"""The rules of a commit: each one fails where it should, and the good order passes."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from commit_rules import Commits  # noqa: E402


def broken(*calls):
    """-> what is wrong with calls like "rename a b", in the folder /w."""
    lines = ["\t".join([kind] + ["/w/" + path if path != "." else "/w" for path in paths])
             for kind, *paths in (call.split() for call in calls)]
    return Commits("/w").run("\n".join(lines))


FILE = ["create a.tmp", "write a.tmp", "fsync a.tmp", "rename a.tmp a", "fsync ."]
FOLDER = ["mkdir .d.tmp", "create .d.tmp/x", "write .d.tmp/x", "fsync .d.tmp/x", "fsync .d.tmp"]


class CommitRulesTest(unittest.TestCase):
    def test_the_good_order_passes(self):
        self.assertEqual(broken(*FILE), [])
        self.assertEqual(broken(*FOLDER, "rename .d.tmp d", "fsync ."), [])
        self.assertEqual(
            broken(*FOLDER, "exchange .d.tmp d", "fsync .", "unlink .d.tmp/x", "unlink .d.tmp"), [])

    def test_a_file_not_flushed_before_its_name(self):
        self.assertEqual(broken(*FILE[:2], *FILE[3:]),
                         ["a.tmp: not flushed when a.tmp became a", "a: never flushed"])
        self.assertIn("a.tmp: not flushed when a.tmp became a",
                      broken(*FILE[:3], "write a.tmp", *FILE[3:]))

    def test_a_name_not_flushed(self):
        self.assertEqual(broken(*FILE[:4]), ["a: its folder . was not flushed after the rename"])
        self.assertEqual(broken("mkdir d"), ["d: its folder . was not flushed after the mkdir"])

    def test_a_folder_whose_entries_are_not_flushed(self):
        self.assertEqual(broken(*FOLDER[:4], "rename .d.tmp d", "fsync ."),
                         [".d.tmp: entries not flushed when it became d",
                          "d/x: its folder d was not flushed after the create"])

    def test_what_is_replaced_goes_last(self):
        self.assertEqual(
            broken(*FOLDER, "exchange .d.tmp d", "unlink .d.tmp/x", "unlink .d.tmp", "fsync ."),
            [".d.tmp/x: deleted before the name d was flushed",
             ".d.tmp: deleted before the name d was flushed"])
        self.assertEqual(broken(*FOLDER, "unlink d/x", "unlink d", "rename .d.tmp d", "fsync ."),
                         ["d: deleted before its successor had the name"])

    def test_a_checkpoint_is_deleted_after_its_successor_is_safe(self):
        new = [*FOLDER, "rename .d.tmp d2"]
        old = ["rename d1 trash", "unlink trash/x", "unlink trash"]
        self.assertEqual(broken(*new, "fsync .", *old), [])
        self.assertEqual(broken(*new, *old, "fsync ."),
                         ["trash/x: deleted before the name d2 was flushed",
                          "trash: deleted before the name d2 was flushed"])


if __name__ == "__main__":
    unittest.main()
