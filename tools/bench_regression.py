#!/usr/bin/env python3
"""Is fathom as fast as it was? `fathom bench --json` beside a baseline of the same kind of machine.

  bench_regression.py record BASELINE   measure, and write the baseline
  bench_regression.py compare BASELINE  measure, print old and new, exit 1 if a figure fell

Two things are compared: rows a second, and the share of the limit that the same run measures, of the BF16 matrix product
for prompts and of read bandwidth for decoding. A figure fell if both did, because a busy machine lowers the one and, when it
slows down what the limit is measured with, raises the other. Of several rounds each figure's best counts.
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


def figures_of(result):
    """-> {what was timed: {"share": of its limit, "rows_per_s": number}}."""
    figures = {}
    for timing in result["timings"]:
        kind = "arithmetic_share" if timing["what"] == "prefill" else "read_share"
        name = f"{timing['what']} of {timing['tokens']} at {timing['context']}"
        figures[name] = {"share": round(timing[kind], 4), "rows_per_s": round(timing["tokens"] / timing["best_s"], 2)}
    return figures


def best_of(args, config, weights):
    """-> figures_of(), each the best of all rounds."""
    best = {}
    for _ in range(args.rounds):
        for name, figures in figures_of(measure(args, config, weights)).items():
            before = best.setdefault(name, figures)
            best[name] = {key: max(value, before[key]) for key, value in figures.items()}
    return best


def record(args):
    config = args.config or "configs/bench/3b.json"
    machine = measure(args, config, args.weights[0])["machine"]
    figures = {weights: best_of(args, config, weights) for weights in args.weights}
    baseline = {"config": config, "cpu": machine["cpu"], "isa": machine["isa"], "threads": args.threads,
                "figures": figures}
    pathlib.Path(args.baseline).write_text(json.dumps(baseline, indent=2) + "\n")


def compare(args):
    try:
        baseline = json.loads(pathlib.Path(args.baseline).read_text())
        args.threads, config, recorded = baseline["threads"], args.config or baseline["config"], baseline["figures"]
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"bench_regression.py: {args.baseline} is no baseline: {error!r}")
    fell = 0
    print(f"{'weights':8} {'what':24} {'rows/s before':>14} {'now':>9} {'share before':>13} {'now':>6} {'ratio':>6}")
    for weights, figures in recorded.items():
        measured = best_of(args, config, weights)
        for name, before in figures.items():
            if name not in measured:
                sys.exit(f"bench_regression.py: {args.baseline}: `{name}` is not among what bench measures now")
            now = measured[name]
            ratio = max(now[key] / before[key] for key in before)
            worse = ratio < args.tolerance
            fell += worse
            print(f"{weights:8} {name:24} {before['rows_per_s']:14.1f} {now['rows_per_s']:9.1f} {before['share']:13.0%} "
                  f"{now['share']:6.0%} {ratio:6.2f}{'  fell' if worse else ''}", flush=True)
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
