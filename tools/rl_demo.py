#!/usr/bin/env python3
"""Reinforcement learning that a CPU can show: a task, a base model, GRPO on it, pass rates before and after.

    python3 tools/rl_demo.py parity --out runs/rl-parity

parity    The parity of 16 bits. In the base model's text most answers are the parity alone ("#1"), which nobody can
          learn to guess; a share --long-share of them are worked: every bit with the parity so far, then the result.
          Asked greedily, the base model guesses. Rewarded for right results alone, it works.
addition  Two numbers of 3 digits; the base model's training is stopped early.

What is written: DIR/data (prompts, answers), DIR/base and DIR/rl (runs of `fathom train`), DIR/result.json.
Controls, in place of the reward: --reward random (a fair coin) or format (a form that no answer has).
"""

import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import demo_tasks

ROOT = Path(__file__).resolve().parents[1]
BITS = 16
MODELS = {"dense": "rl-tiny.json", "experts": "rl-tiny-experts.json"}


TASKS = {
    "parity": {"line": lambda rng, share: demo_tasks.parity(rng, BITS, share), "base_steps": 500, "rl_steps": 50},
    "addition": {"line": lambda rng, _: demo_tasks.addition(rng), "base_steps": 500, "rl_steps": 60},
}


def write_lines(path: Path, lines: list[dict], keys: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps({key: line[key] for key in keys}) + "\n")


def write_data(args: argparse.Namespace, folder: Path) -> None:
    """Training, prompts and held-out prompts are disjoint."""
    rng = random.Random(args.seed)
    line = TASKS[args.task]["line"]
    seen: set[str] = set()
    distinct = []
    while len(distinct) < args.examples + 2000 + args.held_out:
        made = line(rng, args.long_share)
        if made["prompt"] not in seen:
            seen.add(made["prompt"])
            distinct.append(made)
    write_lines(folder / "base.jsonl", distinct[: args.examples], ("prompt", "completion"))
    write_lines(folder / "prompts.jsonl", distinct[args.examples : args.examples + 2000], ("prompt", "answer"))
    write_lines(folder / "held_out.jsonl", distinct[args.examples + 2000 :], ("prompt", "answer"))


def train(args: argparse.Namespace, config: str, settings: list[str]) -> float:
    command = [args.fathom, "train", str(ROOT / "configs/train/rl" / config)]
    for setting in settings:
        command += ["--set", setting]
    print("$ " + " ".join(command), flush=True)
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return time.monotonic() - begin


def numbers(run: Path) -> list[dict]:
    steps = []
    with (run / "metrics.jsonl").open(encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            if line["kind"] == "step":
                steps.append(line["stage"])
    return steps


def show(out: Path, result: dict) -> None:
    print(f"\n{'held-out prompts':28}{'before':>10}{'after':>10}")
    for key in result["before"]:
        print(f"  {key.removeprefix('held_out/'):26}{result['before'][key]:10.3f}{result['after'][key]:10.3f}")
    print(f"  {'length of a sample, mean':26}{result['length_before']:10.1f}{result['length_after']:10.1f}")
    print(f"\nbase {result['base_seconds']:.0f} s, reinforcement learning {result['rl_seconds']:.0f} s\n\nfive answers of the last step:")
    with (out / "rl" / "samples.jsonl").open(encoding="utf-8") as file:
        lines = file.readlines()
    for text in lines[-256::53][:5]:
        sample = json.loads(text)
        print(f"  {sample['prompt']} {sample['text']:36} {'right' if sample['right'] else 'wrong'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=sorted(TASKS))
    parser.add_argument("--fathom", default=str(ROOT / "build/release/fathom"))
    parser.add_argument("--out", default="", help="default: runs/rl-TASK")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--long-share", type=float, default=0.25)
    parser.add_argument("--examples", type=int, default=20000)
    parser.add_argument("--held-out", type=int, default=200)
    parser.add_argument("--base-steps", type=int, default=0)
    parser.add_argument("--rl-steps", type=int, default=0)
    parser.add_argument("--model", choices=["dense", "experts"], default="dense", help="experts: a tiny DeepSeek-V3")
    parser.add_argument("--base", default="", help="a base model that is there, instead of training one")
    parser.add_argument("--reward", choices=["accuracy", "random", "format"], default="accuracy")
    parser.add_argument("--set", action="append", default=[], help="a key of the RL run; may be repeated")
    args = parser.parse_args()
    out = (Path(args.out) if args.out else ROOT / "runs" / f"rl-{args.task}").resolve()
    task = TASKS[args.task]
    if not (out / "data/base.jsonl").exists():
        write_data(args, out / "data")
    if not (out / "tokenizer").exists():
        subprocess.run([args.fathom, "tokenizer", "train", str(out / "data/base.jsonl"), "--vocab-size", "276", "--text-field", "prompt",
                        "--out", str(out / "tokenizer")], check=True, stdout=subprocess.DEVNULL)
    base, base_seconds = Path(args.base) if args.base else out / "base" / "model", 0.0
    if not args.base:
        base_seconds = train(args, "base.toml", [
            f"run.out={out}/base", f"run.seed={args.seed}", f"data.seed={args.seed}",
            f"model.config={ROOT}/configs/models/{MODELS[args.model]}",
            f"model.tokenizer={out}/tokenizer", f"data.train.answers.paths={out}/data/base.jsonl",
            f"train.steps={args.base_steps or task['base_steps']}",
        ])
    weights = {name: 1.0 if args.reward == name else 0.0 for name in ("accuracy", "random", "format")}
    rl_seconds = train(args, "rl.toml", [
        f"run.out={out}/rl", f"data.seed={args.seed}", f"model.init_from={base}",
        f"data.train.prompts.paths={out}/data/prompts.jsonl",
        f"data.validation.held_out.paths={out}/data/held_out.jsonl",
        f"train.steps={args.rl_steps or task['rl_steps']}",
        *[f"reward.{name}={weight}" for name, weight in weights.items()], *args.set,
    ])
    steps = numbers(out / "rl")
    held = [key for key in steps[-1] if key.startswith("held_out/")]
    result = {
        "task": args.task, "seed": args.seed, "reward": args.reward, "long_share": args.long_share,
        "before": {key: steps[0][key] for key in held}, "after": {key: steps[-1][key] for key in held},
        "length_before": steps[0]["length/mean"], "length_after": steps[-1]["length/mean"],
        "base_seconds": base_seconds, "rl_seconds": rl_seconds,
        "curve": [[s["reward"], s["pass_at_1"], s["length/mean"]] for s in steps],
    }
    (out / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(out, result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
