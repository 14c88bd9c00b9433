"""tools/ablation.py: its pairs and cloze items are what they claim, and its intervals are Student's."""
import pathlib
import sys
import tempfile
import unittest

import tools

sys.path.insert(0, str(tools.ROOT / "tools"))
experiments = tools.load("tools/experiments.py")
ablation = tools.load("tools/ablation.py")


class Pairs(unittest.TestCase):
    def test_each_differs_in_one_word_or_in_the_order_of_two(self):
        pairs = ablation.minimal_pairs()
        self.assertGreater(len(pairs), 200)
        for pair in pairs:
            good, bad = (pair[side].rstrip(".").split() for side in ("sentence_good", "sentence_bad"))
            self.assertEqual(len(good), len(bad), pair)
            self.assertIn(sum(a != b for a, b in zip(good, bad)), (1, 2), pair)
            self.assertEqual(sum(a != b for a, b in zip(good, bad)), 2 if sorted(good) == sorted(bad) else 1, pair)

    def test_no_sentence_is_good_in_one_pair_and_bad_in_another(self):
        pairs = ablation.minimal_pairs()
        good = {pair["sentence_good"] for pair in pairs}
        self.assertFalse(good & {pair["sentence_bad"] for pair in pairs})
        self.assertEqual(len({(p["sentence_good"], p["sentence_bad"]) for p in pairs}), len(pairs))

    def test_kinds_are_of_some_size(self):
        kinds = [pair["UID"] for pair in ablation.minimal_pairs()]
        for kind in set(kinds):
            self.assertGreaterEqual(kinds.count(kind), 30, kind)


class Cloze(unittest.TestCase):
    TEXT = " ".join(f"w{i}" for i in range(2000))

    def test_the_right_option_goes_on_where_the_passage_ends(self):
        items = ablation.cloze_items("d", self.TEXT, 20)
        self.assertEqual(len(items), 20)
        for item in items:
            last = int(item["before"].split()[-1][1:])
            self.assertEqual(item["options"][item["right"]].split()[0], f"w{last + 1}")
            self.assertEqual(len(set(item["options"])), 4)
            self.assertTrue(all(option.startswith(" ") for option in item["options"]))
        self.assertEqual({item["right"] for item in items}, {0, 1, 2, 3})

    def test_the_same_at_every_call(self):
        self.assertEqual(ablation.cloze_items("d", self.TEXT, 9), ablation.cloze_items("d", self.TEXT, 9))
        self.assertNotEqual(ablation.cloze_items("d", self.TEXT, 9), ablation.cloze_items("e", self.TEXT, 9))


    def test_a_text_too_short_for_wrong_options_has_no_items(self):
        self.assertEqual(ablation.cloze_items("d", " ".join(["w"] * 100), 9), [])


class Runs(unittest.TestCase):
    def test_a_run_of_other_settings_is_not_taken_for_this_one(self):
        with tempfile.TemporaryDirectory() as name:
            run = pathlib.Path(name)
            asked = {"model": {"hidden_size": 8}, "settings": ["train.steps=60"]}
            self.assertFalse(experiments.is_trained(run, asked))
            (run / "model").mkdir()
            (run / "model/config.json").write_text("{}")
            self.assertTrue(experiments.is_trained(run, asked))
            with self.assertRaisesRegex(SystemExit, "other values of settings"):
                experiments.is_trained(run, {**asked, "settings": ["train.steps=600"]})


class Intervals(unittest.TestCase):
    def test_students(self):
        # 7/3 ± 4.302653 · 1.527525 / √3
        mean, half = ablation.interval([1.0, 2.0, 4.0])
        self.assertAlmostEqual(mean, 7 / 3)
        self.assertAlmostEqual(mean - half, -1.461, places=2)
        self.assertAlmostEqual(mean + half, 6.128, places=2)
        self.assertEqual(ablation.difference_text([0.25], 2), "+0.25")
        self.assertEqual(ablation.difference_text([1.0, 2.0, 4.0], 1), "+2.3 (-1.5 to +6.1)")


class Data(unittest.TestCase):
    def test_text_without_held_out_folders_is_refused(self):
        with tempfile.TemporaryDirectory() as name:
            class Args:
                out, text, items, lambada = pathlib.Path(name) / "out", pathlib.Path(name), 8, None
            with self.assertRaises(SystemExit) as refused:
                ablation.make_data(Args)
            self.assertIn("DOMAIN/valid", str(refused.exception))

    def test_what_fathom_reads(self):
        with tempfile.TemporaryDirectory() as name:
            root = tools.write_tree(name, {"text/prose/valid/a.txt": Cloze.TEXT, "text/code/valid/b/c.txt": Cloze.TEXT})

            class Args:
                out, text, items, lambada = root / "out", root / "text", 8, None
            tasks = ablation.make_data(Args)
            self.assertEqual(tasks[:2], ["bits_per_byte", "blimp"])
            self.assertEqual(len((root / "out/data/cloze.jsonl").read_text().splitlines()), 16)
            self.assertEqual(ablation.texts_of(root / "text/code/valid"), Cloze.TEXT)


if __name__ == "__main__":
    unittest.main()
