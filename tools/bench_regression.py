#!/usr/bin/env python3
"""Is fathom as fast as it was? `fathom bench --json` beside a baseline of the same kind of machine.

  bench_regression.py record BASELINE   measure, and write the baseline
  bench_regression.py compare BASELINE  measure, print old and new, exit 1 if a figure fell

What is compared is the share of the limit that the same run measures: of the BF16 matrix product for prompts, of read
bandwidth for decoding. So a busy machine does not count as slower, unless it slows one thing alone: of several rounds
each figure's best counts. The config and the weight types are those of the baseline, or of --config and --weights.
"""
import argparse
import json
import pathlib
import subprocess
import sys

WEIGHTS = ["fp8", "int8", "int4", "bf16"]


def measure(args, config, weights):
    """-> the parsed result of one run."""
    command = [args.fathom, "--threads", str(args.threads), "bench", "--config", config, "--weights", weights, "--contexts",
               "256,8192", "--json"]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    if run.returncode != 0:
        sys.exit(f"bench_regression.py: `{' '.join(command)}` ended with {run.returncode}")
    return json.loads(run.stdout)


def shares(result):
    """-> {what was timed: share of its limit}."""
    figures = {}
    for timing in result["timings"]:
        kind = "arithmetic_share" if timing["what"] == "prefill" else "read_share"
        figures[f"{timing['what']} of {timing['tokens']} at {timing['context']}"] = timing[kind]
    return figures


def best_of(args, config, weights):
    """-> {what was timed: best share of all rounds}."""
    best = {}
    for _ in range(args.rounds):
        for name, share in shares(measure(args, config, weights)).items():
            best[name] = max(share, best.get(name, 0.0))
    return best


def record(args):
    config = args.config or "configs/bench/3b.json"
    machine = measure(args, config, args.weights[0])["machine"]
    figures = {weights: best_of(args, config, weights) for weights in args.weights}
    baseline = {"config": config, "cpu": machine["cpu"], "isa": machine["isa"], "threads": args.threads, "shares": figures}
    pathlib.Path(args.baseline).write_text(json.dumps(baseline, indent=2) + "\n")


def compare(args):
    baseline = json.loads(pathlib.Path(args.baseline).read_text())
    args.threads = baseline["threads"]
    fell = 0
    print(f"{'weights':8} {'what':24} {'before':>7} {'now':>7} {'ratio':>6}")
    for weights, before in baseline["shares"].items():
        now = best_of(args, args.config or baseline["config"], weights)
        for name, share in before.items():
            if name not in now:
                sys.exit(f"bench_regression.py: {args.baseline}: `{name}` is not among what bench measures now")
            ratio = now[name] / share
            worse = ratio < args.tolerance
            fell += worse
            print(f"{weights:8} {name:24} {share:6.0%} {now[name]:7.0%} {ratio:6.2f}{'  fell' if worse else ''}")
    return 1 if fell else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("baseline")
    parser.add_argument("--fathom", default="build/release/fathom")
    parser.add_argument("--config", help="default: the baseline's, or configs/bench/3b.json")
    parser.add_argument("--weights", nargs="+", default=WEIGHTS, help="to record")
    parser.add_argument("--threads", type=int, default=2, help="to record")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tolerance", type=float, default=0.8, help="least ratio of new to old that is no regression")
    args = parser.parse_args()
    return record(args) if args.action == "record" else compare(args)


if __name__ == "__main__":
    sys.exit(main())
