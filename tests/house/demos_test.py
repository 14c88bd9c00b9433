"""tools/demos.py: its tasks are what they claim, its sets are apart, and an expectation can fail."""
import pathlib
import random
import sys
import tempfile
import types
import unittest

import tools

sys.path.insert(0, str(tools.ROOT / "tools"))
tasks = tools.load("tools/demo_tasks.py")
demos = tools.load("tools/demos.py")


def lines(task, count=300, **settings):
    rng = random.Random(3)
    return [tasks.MAKERS[task](rng, **settings) for _ in range(count)]


class Tasks(unittest.TestCase):
    def test_a_completion_ends_in_its_result(self):
        for task in tasks.MAKERS:
            for each in lines(task):
                self.assertEqual(each["completion"].rpartition("#")[2], each["answer"])

    def test_answers_are_right(self):
        for each in lines("parity", bits=7):
            self.assertEqual(int(each["answer"]), each["prompt"].count("1") % 2)
        for each in lines("addition", digits=2):
            a, b = each["prompt"].rstrip("=").split("+")
            self.assertEqual(int(each["answer"]), int(a) + int(b))
            self.assertEqual((len(a), len(b)), (2, 2))
        for each in lines("letters"):
            letter, word = each["prompt"].rstrip(">").split(" in ")
            self.assertEqual(int(each["answer"]), word.count(letter))
        for each in lines("reversal"):
            self.assertEqual(each["answer"][::-1] + ">", each["prompt"])
        for each in lines("countdown"):
            left, target = each["prompt"].rstrip(">").split("=")
            (a, b, c), (first, second) = left.split(), each["answer"]
            self.assertEqual(eval(f"({a}{first}{b}){second}{c}"), int(target))

    def test_a_share_of_the_parities_is_worked(self):
        worked = [each for each in lines("parity", 2000, bits=5, long_share=0.25) if not each["completion"].startswith("#")]
        self.assertAlmostEqual(len(worked) / 2000, 0.25, delta=0.04)
        for each in worked:
            work = each["completion"].partition("#")[0]
            running = 0
            for bit, so_far in zip(work[::2], work[1::2]):
                running ^= int(bit)
                self.assertEqual(int(so_far), running)
            self.assertEqual(work[::2], each["prompt"].replace(".", "").rstrip(">"))
        self.assertFalse([each for each in lines("parity", long_share=0.0) if not each["completion"].startswith("#")])

    def test_noise_makes_some_results_wrong(self):
        wrong = [each for each in lines("letters", noise=0.2) if each["completion"].rpartition("#")[2] != each["answer"]]
        self.assertGreater(len(wrong), 30)
        self.assertLess(len(wrong), 290)

    def test_prompts_differ(self):
        seen = {"00+00="}
        made = tasks.distinct_lines("addition", {"digits": 2}, 500, 1, seen)
        self.assertEqual(len({each["prompt"] for each in made} - {"00+00="}), 500)
        self.assertEqual(len(seen), 501)
        with self.assertRaises(SystemExit):
            tasks.distinct_lines("parity", {"bits": 3}, 9, 1)


class Demos(unittest.TestCase):
    def args(self, **given):
        sizes = {"base_steps": 0, "rl_steps": 0, "examples": 200, "held_out": 20, "rl_prompts": 30}
        return types.SimpleNamespace(fathom="fathom", scale="small", **{**sizes, **given})

    def test_held_out_prompts_are_in_no_other_file(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("P", "A", "R"):
                seed = demos.Seed(self.args(), demos.DEMOS[name], 1, pathlib.Path(folder) / name)
                seed.write_data()
                prompts = {}
                for kind in ("base", "prompts", "held_out"):
                    text = (seed.folder / f"data/{kind}.jsonl").read_text(encoding="utf-8")
                    prompts[kind] = [line.partition('", "')[0] for line in text.splitlines()]
                self.assertEqual([len(prompts[kind]) for kind in prompts], [200, 30, 20])
                self.assertFalse(set(prompts["held_out"]) & {*prompts["base"], *prompts["prompts"]}, name)

    def test_a_teachers_text_has_no_held_out_prompt(self):
        for name in ("D1", "D2"):
            with tempfile.TemporaryDirectory() as folder:
                seed = demos.Seed(self.args(examples=2000, held_out=200), demos.DEMOS[name], 1, pathlib.Path(folder))
                seed.write_data()
                text = seed.teacher_text()
                self.assertEqual(len(text.read_text(encoding="utf-8").splitlines()), 2000)
                self.assertFalse(demos.prompts_of(text) & demos.prompts_of(seed.folder / "data/held_out.jsonl"), name)

    def seed_with_program(self, folder, **given):
        """A seed whose program writes a line for each run, and leaves a model of those settings."""
        program = folder / "program"
        program.write_text("#!/bin/sh\necho run >> " + str(folder / "log") + "\n"
                           'for each in "$@"; do case "$each" in run.out=*) out=${each#run.out=};; esac; done\n'
                           'mkdir -p "$out/model"; echo "$@" > "$out/model/weights"; cp /dev/null "$out/kept.jsonl"\n',
                           encoding="utf-8")
        program.chmod(0o755)
        seed = demos.Seed(self.args(rl_steps=3, **given), demos.DEMOS["A"], 1, folder / "A")
        seed.args.fathom = str(program)
        seed.write_data()
        return seed

    def test_what_is_done_stays_and_other_settings_are_refused(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            runs = lambda: len((folder / "log").read_text(encoding="utf-8").splitlines())
            self.seed_with_program(folder).base()
            self.seed_with_program(folder).base()
            self.assertEqual(runs(), 1)
            with self.assertRaisesRegex(SystemExit, r"base/done.json: train.steps: found 300, expected 35: it was made otherwise"):
                self.seed_with_program(folder, base_steps=70).base()
            with self.assertRaisesRegex(SystemExit, r"data/done.json: examples: found 200, expected 300"):
                self.seed_with_program(folder, examples=300)
            seed = self.seed_with_program(folder)
            (seed.folder / "data/base.jsonl").write_text("{}\n", encoding="utf-8")
            with self.assertRaisesRegex(SystemExit, "data.train.answers.paths: found"):
                seed.base()
            self.assertEqual(runs(), 1)

    def test_rejection_has_as_many_samples_as_reinforcement_learning(self):
        with tempfile.TemporaryDirectory() as name:
            seed = self.seed_with_program(pathlib.Path(name))
            seed.arm("rejection", seed.base())
            prompts = (seed.folder / "data/prompts-48.jsonl").read_text(encoding="utf-8").splitlines()
            self.assertEqual(len(prompts) * demos.SAMPLES, 3 * seed.scale["prompts"] * demos.SAMPLES)
            self.assertEqual(prompts[30:], prompts[:18])

    def test_expectations_can_fail(self):
        demo = demos.DEMOS["A"]
        at = lambda first, many: {"greedy": first, "pass_at_1": first, "pass_at_16": many}
        good = {"base": at(0.3, 0.8), "rl": at(0.7, 0.8), "random": at(0.3, 0.8)}
        self.assertTrue(all(each["held"] for each in demos.verdicts(demo, [good, good])))
        for arm, numbers in (("rl", at(0.59, 0.8)), ("rl", at(0.7, 0.7)), ("random", at(0.4, 0.8))):
            found = demos.verdicts(demo, [{**good, arm: numbers}])
            self.assertEqual([each["held"] for each in found].count(False), 1, arm)

    def test_every_expectation_names_an_arm(self):
        for name, demo in demos.DEMOS.items():
            for arm, key, sign, bound in demo.expected:
                self.assertIn(arm, ("base", *demo.arms), name)
                self.assertIn(key, ("greedy", "pass_at_1", "pass_at_16"))
                self.assertIn(sign, demos.OPERATORS)
                if isinstance(bound, tuple):
                    self.assertIn(bound[0], ("base", *demo.arms), name)

    def test_wilson(self):  # statsmodels 0.14, proportion_confint(30, 100, method="wilson")
        low, high = demos.wilson(0.3, 100)
        self.assertAlmostEqual(low, 0.2189, places=3)
        self.assertAlmostEqual(high, 0.3958, places=3)


if __name__ == "__main__":
    unittest.main()
