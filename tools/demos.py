#!/usr/bin/env python3
"""Demonstrations of post-training that two cores carry: what is expected is written down here before anything runs.

    python3 tools/demos.py A --seeds 1 2 3 --out runs/demos

P    parity with rare worked answers     reinforcement learning makes rare reasoning the rule
A    addition, stopped early             it sharpens what the model samples: pass@1 rises, pass@16 hardly
C    letters of a word, noisy steps      a chain of thought that a rule can check
R    words backwards, longer in RL       a curriculum; beside it rejection sampling
S    three numbers and a target          search; may fail
D1   a student that never saw a worked answer: RL has nothing to sharpen, distillation of an RL-trained teacher brings it
D2   the same with a share of them: RL gets there too, and "distillation beats RL" does not hold

For each seed: data, a base model, and from it the arms of the demonstration, each in DIR/NAME/SEED/ARM. Every model is then asked
the same held-out prompts: greedily, and 16 samples each. DIR/NAME/result.json has all numbers, and what became of each
expectation; the table that is printed is that of docs/experiments.md. Steps that are done are not done again; where one was done
with other settings or of other data, nothing goes on.
"""

import argparse
import hashlib
import itertools
import json
import math
import operator
import subprocess
import sys
import time
from pathlib import Path

from demo_tasks import distinct_lines

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = 16

# What a scale is: the model, lengths of runs. "small" takes minutes of one core, "full" is the size of posttraining.md §9.
SCALES = {
    "small": {"model": "rl-mini.json", "base_steps": 600, "rl_steps": 40, "lr": 2e-3, "rl_lr": 3e-4, "examples": 20000,
              "held_out": 100, "rl_prompts": 400, "prompts": 16},
    "full": {"model": "rl-tiny.json", "base_steps": 500, "rl_steps": 50, "lr": 1e-3, "rl_lr": 3e-4, "examples": 20000,
             "held_out": 1000, "rl_prompts": 2000, "prompts": 16},
}
CONTROLS = ("sft", "rejection", "random")
OPERATORS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


class Demo:
    def __init__(self, task: str, settings: dict, arms: tuple[str, ...], expected: list[tuple], base_scale: float = 1.0,
                 rl_settings: dict | None = None, bits: dict | None = None):
        self.task, self.settings, self.arms, self.expected = task, settings, arms, expected
        self.base_scale, self.rl_settings = base_scale, rl_settings or settings
        self.by_scale = bits or {}


# (arm, number, operator, bound): held by the mean over seeds. A bound may name another arm's number, times a factor.
DEMOS = {
    "P": Demo("parity", {"long_share": 0.25}, ("rl", *CONTROLS),
              [("rl", "greedy", ">", 0.95), ("rl", "pass_at_1", ">", 0.95), ("sft", "pass_at_1", "<", 0.75),
               ("random", "pass_at_1", "<", 0.75)],
              bits={"small": {"bits": 10}, "full": {"bits": 16}}),
    "A": Demo("addition", {}, ("rl", *CONTROLS),
              [("rl", "pass_at_1", ">=", ("base", "pass_at_1", 2.0)), ("rl", "pass_at_16", ">=", ("base", "pass_at_16", 0.9)),
               ("random", "pass_at_1", "<", ("base", "pass_at_1", 1.3))],
              base_scale=0.5, bits={"small": {"digits": 2}, "full": {"digits": 3}}),
    "C": Demo("letters", {"noise": 0.1}, ("rl", *CONTROLS),
              [("rl", "pass_at_1", ">=", ("base", "pass_at_1", 1.3)), ("random", "pass_at_1", "<", ("base", "pass_at_1", 1.1))]),
    "R": Demo("reversal", {"least": 2, "most": 5}, ("rl", "rejection"),
              [("rl", "pass_at_1", ">=", ("base", "pass_at_1", 1.3)), ("rl", "pass_at_1", ">=", ("rejection", "pass_at_1", 1.0))],
              rl_settings={"least": 5, "most": 6}),
    "S": Demo("countdown", {}, ("rl", *CONTROLS), [("rl", "pass_at_1", ">=", ("base", "pass_at_1", 1.1))]),
    "D1": Demo("parity", {"long_share": 0.0}, ("rl", "traces", "logits", "on_policy"),
               [("base", "pass_at_1", "<", 0.6), ("rl", "pass_at_1", "<", 0.6), ("traces", "pass_at_1", ">", 0.95),
                ("logits", "pass_at_1", ">", 0.95)], bits={"small": {"bits": 10}, "full": {"bits": 16}}),
    "D2": Demo("parity", {"long_share": 0.2}, ("rl", "traces", "logits"),
               [("rl", "pass_at_1", ">", 0.95), ("traces", "pass_at_1", ">", 0.95)],
               bits={"small": {"bits": 10}, "full": {"bits": 16}}),
}


def scale_of(args: argparse.Namespace) -> dict:
    """The scale's numbers, but for those that the command line gives."""
    given = {key: value for key in ("base_steps", "rl_steps", "examples", "held_out", "rl_prompts")
             if (value := getattr(args, key))}
    return {**SCALES[args.scale], **given}


def write_lines(path: Path, lines: list[dict], keys: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({key: each[key] for key in keys}) + "\n" for each in lines), encoding="utf-8")


def prompts_of(path: Path) -> set[str]:
    return {json.loads(line)["prompt"] for line in path.read_text(encoding="utf-8").splitlines()}


def content_of(path: Path) -> str:
    """Of a file, or of all that lie in a folder."""
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()


def is_done(record: Path, made_of: dict) -> bool:
    """Whether the record's step was done. Ends the program where it was made of anything else."""
    if not record.exists():
        return False
    found = json.loads(record.read_text(encoding="utf-8")).get("made_of", {})
    for key in {**found, **made_of}:
        if found.get(key) != made_of.get(key):
            raise SystemExit(f"{record}: {key}: found {found.get(key)}, expected {made_of.get(key)}: it was made otherwise; name "
                             f"another --out, or remove {record.parent} and what was made from it")
    return True


class Seed:
    """One seed of one demonstration: its files, and the runs that are made from them."""

    def __init__(self, args: argparse.Namespace, demo: Demo, seed: int, folder: Path):
        self.args, self.demo, self.seed, self.folder = args, demo, seed, folder
        self.scale = scale_of(args)
        self.seconds: dict[str, float] = {}

    def settings(self, base: dict) -> dict:
        return {**base, **self.demo.by_scale.get(self.args.scale, {})}

    def write_data(self) -> None:
        rl, text = self.settings(self.demo.rl_settings), self.settings(self.demo.settings)
        made_of = {"task": self.demo.task, "rl": rl, "text": text,
                   **{key: self.scale[key] for key in ("examples", "held_out", "rl_prompts")}}
        if is_done(self.folder / "data/done.json", made_of):
            return
        seen: set[str] = set()
        held_out = distinct_lines(self.demo.task, rl, self.scale["held_out"], 1000 + self.seed, seen)
        prompts = distinct_lines(self.demo.task, rl, self.scale["rl_prompts"], 2000 + self.seed, seen)
        write_lines(self.folder / "data/held_out.jsonl", held_out, ("prompt", "answer"))
        write_lines(self.folder / "data/prompts.jsonl", prompts, ("prompt", "answer"))
        self.write_text("base", text, 10_000_000)
        (self.folder / "data/done.json").write_text(json.dumps({"made_of": made_of}), encoding="utf-8")

    def write_text(self, name: str, settings: dict, stream: int) -> Path:
        """Worked text to learn from. A small task has few prompts: its text repeats them, but never a held-out one."""
        path = self.folder / f"data/{name}.jsonl"
        apart = prompts_of(self.folder / "data/held_out.jsonl")
        lines: list[dict] = []
        for i in itertools.count():
            if len(lines) == self.scale["examples"]:
                break
            made = distinct_lines(self.demo.task, settings, 1, stream * self.seed + i)[0]
            lines += [made] if made["prompt"] not in apart else []
        write_lines(path, lines, ("prompt", "completion"))
        return path

    def train(self, name: str, config: str, settings: list[str]) -> Path:
        """A run of its own below the folder; what is finished stays."""
        out = self.folder / name
        done = out / "done.json"
        made_of = {"config": content_of(ROOT / "configs/train/rl" / config)}
        for setting in settings:
            key, _, value = setting.partition("=")
            at = Path(value)
            made_of[key] = content_of(at) if at.is_absolute() and at.exists() else value
        if not is_done(done, made_of):
            command = [self.args.fathom, "train", str(ROOT / "configs/train/rl" / config), "--quiet", "--set", f"run.out={out}",
                       "--set", f"data.seed={self.seed}"]
            for setting in settings:
                command += ["--set", setting]
            begin = time.monotonic()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
            done.write_text(json.dumps({"seconds": time.monotonic() - begin, "made_of": made_of}), encoding="utf-8")
        self.seconds[name] = json.loads(done.read_text(encoding="utf-8"))["seconds"]
        return out / "model"

    def sft(self, name: str, data: Path, steps: int, lr: float, model: Path | None = None, more: tuple[str, ...] = ()) -> Path:
        start = [f"model.init_from={model}", "model.config=", "model.tokenizer="] if model else [
            f"model.config={ROOT}/configs/models/{self.scale['model']}", f"model.tokenizer={self.folder}/tokenizer",
            f"run.seed={self.seed}"]
        return self.train(name, "base.toml", [*start, f"data.train.answers.paths={data}", f"train.steps={steps}",
                                              f"schedule.peak_lr={lr}", *more])

    def grpo(self, name: str, model: Path, reward: str = "accuracy", more: tuple[str, ...] = ()) -> Path:
        weights = [f"reward.{each}={1.0 if each == reward else 0.0}" for each in ("accuracy", "random")]
        return self.train(name, "rl.toml", [
            f"model.init_from={model}", f"data.train.prompts.paths={self.folder}/data/prompts.jsonl",
            f"train.steps={self.scale['rl_steps']}", f"schedule.peak_lr={self.scale['rl_lr']}", *weights, *more])

    def sample(self, name: str, model: Path, per_prompt: int, keep: int, prompts: int) -> Path:
        """Right answers of `model`, as stage sft reads them; where more prompts are asked for than there are, they come again."""
        chosen = self.folder / f"data/prompts-{prompts}.jsonl"
        lines = (self.folder / "data/prompts.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        chosen.write_text("".join(itertools.islice(itertools.cycle(lines), prompts)), encoding="utf-8")
        self.train(name, "sample.toml", [f"model.init_from={model}", f"data.train.prompts.paths={chosen}",
                                         f"sample.per_prompt={per_prompt}", f"sample.keep={keep}"])
        return self.folder / name / "kept.jsonl"

    def base(self) -> Path:
        steps = round(self.scale["base_steps"] * self.demo.base_scale)
        return self.sft("base", self.folder / "data/base.jsonl", steps, self.scale["lr"])

    def teacher(self) -> Path:
        """Reinforcement learning on a base model that has seen worked answers: of D1 and D2."""
        return self.grpo("teacher", self.sft("teacher_base", self.teacher_text(), self.scale["base_steps"], self.scale["lr"]))

    def teacher_text(self) -> Path:
        return self.write_text("teacher", self.settings({**self.demo.settings, "long_share": 0.25}), 77_000_000)

    def arm(self, name: str, base: Path) -> Path:
        steps, rollouts = self.scale["rl_steps"], self.scale["prompts"] * SAMPLES * self.scale["rl_steps"]
        sft_lr = self.scale["lr"] / 4
        if name == "rl":
            return self.grpo("rl", base)
        if name == "random":
            return self.grpo(name, base, reward=name)
        if name == "sft":  # as many steps on the base model's own text
            return self.sft("sft", self.folder / "data/base.jsonl", steps, sft_lr, base)
        if name == "rejection":  # as many rollouts, what is right of them learnt
            kept = self.sample("rejection_samples", base, SAMPLES, 4, rollouts // SAMPLES)
            return self.sft("rejection", kept, steps, sft_lr, base)
        teacher = self.teacher()
        traces = self.sample("traces_samples", teacher, 2, 2, self.scale["rl_prompts"])
        learning = self.scale["base_steps"] // 2
        if name == "traces":
            return self.sft("traces", traces, learning, self.scale["lr"], base)
        distill = ("run.stage=distill", f"distill.teacher={teacher}", "distill.top_k=16")
        if name == "logits":
            return self.sft("logits", traces, learning, self.scale["lr"], base, distill)
        return self.sft("on_policy", traces, steps, sft_lr, self.arm("traces", base),
                        (*distill, "distill.on_policy=1.0", "distill.divergence=reverse", "train.batch_sequences=64",
                         "distill.max_new_tokens=48"))

    def measure(self, name: str, model: Path) -> dict:
        """Greedy, pass@1 and pass@16 on the held-out prompts: of a run without a step to speak of."""
        prompts = f"data.validation.held_out.paths={self.folder}/data/held_out.jsonl"
        self.grpo(f"{name}_measured", model, more=(prompts, "train.steps=1", "schedule.peak_lr=0.0", "grpo.prompts=1",
                                                   "grpo.group_size=16", "train.batch_sequences=16"))
        with (self.folder / f"{name}_measured/metrics.jsonl").open(encoding="utf-8") as file:
            stage = next(line["stage"] for line in map(json.loads, file) if line["kind"] == "step")
        numbers = {key.removeprefix("held_out/"): value for key, value in stage.items() if key.startswith("held_out/")}
        return {**numbers, "tokens": stage["length/mean"], "seconds": self.seconds.get(name, 0.0)}

    def run(self) -> dict:
        self.write_data()
        if not (self.folder / "tokenizer").exists():
            subprocess.run([self.args.fathom, "tokenizer", "train", str(self.folder / "data/base.jsonl"), "--vocab-size", "276",
                            "--text-field", "prompt", "--out", str(self.folder / "tokenizer"), "--quiet"], check=True,
                           stdout=subprocess.DEVNULL)
        base = self.base()
        results = {"base": self.measure("base", base)}
        for name in self.demo.arms:
            results[name] = self.measure(name, self.arm(name, base))
            print(f"  seed {self.seed} {name}: {numbers_of(results[name])}", flush=True)
        if (self.folder / "teacher/model").exists():
            results["teacher"] = self.measure("teacher", self.folder / "teacher/model")
        return results


def numbers_of(result: dict) -> str:
    return ", ".join(f"{key} {value:.3f}" for key, value in result.items() if key != "seconds")


def mean(results: list[dict], arm: str, key: str) -> float:
    return sum(each[arm][key] for each in results) / len(results)


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % of a share of `count` trials."""
    z = 1.96
    middle, half = share + z * z / (2 * count), z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


def verdicts(demo: Demo, results: list[dict]) -> list[dict]:
    found = []
    for arm, key, sign, bound in demo.expected:
        value = mean(results, arm, key)
        limit = mean(results, bound[0], bound[1]) * bound[2] if isinstance(bound, tuple) else bound
        text = f"{bound[2]} × {bound[0]} {bound[1]} = {limit:.3f}" if isinstance(bound, tuple) else f"{limit}"
        found.append({"expected": f"{arm} {key} {sign} {text}", "found": value, "held": OPERATORS[sign](value, limit)})
    return found


def show(demo: Demo, results: list[dict], prompts: int) -> None:
    print("\n| arm | greedy | pass@1 (95 %) | pass@16 | tokens | seconds |\n|---|---|---|---|---|---|")
    for arm in results[0]:
        low, high = wilson(mean(results, arm, "pass_at_1"), prompts * len(results))
        print(f"| {arm} | {mean(results, arm, 'greedy'):.3f} | {mean(results, arm, 'pass_at_1'):.3f} ({low:.3f} to {high:.3f}) | "
              f"{mean(results, arm, 'pass_at_16'):.3f} | {mean(results, arm, 'tokens'):.1f} | {mean(results, arm, 'seconds'):.0f} |")
    print()
    for each in verdicts(demo, results):
        print(f"{'held  ' if each['held'] else 'FAILED'} {each['expected']}: found {each['found']:.3f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demo", choices=sorted(DEMOS))
    parser.add_argument("--fathom", default=str(ROOT / "build/release/fathom"))
    parser.add_argument("--out", default="runs/demos")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--scale", choices=sorted(SCALES), default="small")
    for name in ("base-steps", "rl-steps", "examples", "held-out", "rl-prompts"):
        parser.add_argument(f"--{name}", type=int, default=0, help="in place of the scale's")
    parser.add_argument("--arms", nargs="*", help="these alone, of the demonstration's")
    args = parser.parse_args()
    demo = DEMOS[args.demo]
    args.fathom = str(Path(args.fathom).resolve())
    folder = Path(args.out).resolve() / args.demo
    if args.arms is not None:
        demo.arms = tuple(args.arms)
        demo.expected = [each for each in demo.expected if each[0] in ("base", *demo.arms)]
    results = [Seed(args, demo, seed, folder / str(seed)).run() for seed in args.seeds]
    found = verdicts(demo, results)
    (folder / "result.json").write_text(json.dumps({"demo": args.demo, "scale": args.scale, "seeds": args.seeds,
                                                    "results": results, "expected": found}, indent=1) + "\n", encoding="utf-8")
    show(demo, results, scale_of(args)["held_out"])
    return 0 if all(each["held"] for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
