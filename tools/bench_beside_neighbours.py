#!/usr/bin/env python3
"""Speed of decoding or training beside busy programs of other sessions, as a share of the quiet speed.

    tools/bench_beside_neighbours.py decode --config configs/bench/3b.json [--weights int8]
    tools/bench_beside_neighbours.py train RUN.toml [--set SECTION.KEY=VALUE ...]

Each neighbour is an endless loop in a session of its own (setsid), so that the system counts it as an equal; --nice runs it
in this session at nice 19 instead. Alternates quiet and busy runs; means over --seconds and more.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

LOOP = ["sh", "-c", "while :; do :; done"]


def decode_speed(args):
    steps = str(int(args.seconds * args.steps_per_second))
    command = [args.fathom, "--threads", args.threads, "bench", "--config", args.config, "--weights", args.weights,
               "--no-prefill", "--no-batches", "--no-verify", "--steps", steps, "--json"]
    result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    rows = result.get("timings") or result["passes"]
    return 1 / next(row["mean_s"] for row in rows if row["what"] == "decode")


def train_speed(args):
    with tempfile.TemporaryDirectory() as folder:
        command = [args.fathom, "--threads", args.threads, "train", args.run, "--fresh", "--set", f"run.out={folder}/run"]
        for value in args.set:
            command += ["--set", value]
        log = pathlib.Path(folder, "run", "metrics.jsonl")

        def steps():
            return len(log.read_text().splitlines()) if log.exists() else 0

        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while steps() < 3 and run.poll() is None:
                time.sleep(0.1)
            before, start = steps(), time.monotonic()
            time.sleep(args.seconds)
            if run.poll() is not None:
                raise SystemExit(f"{' '.join(command)}: ended after {steps()} steps")
            return (steps() - before) / (time.monotonic() - start)
        finally:
            run.kill()
            run.wait()


def with_neighbours(count, args, measure):
    prefix = ["nice", "-n", "19"] if args.nice else []
    neighbours = [subprocess.Popen(prefix + LOOP, start_new_session=not args.nice) for _ in range(count)]
    try:
        return measure(args)
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fathom", default="build/release/fathom")
    parser.add_argument("--threads", default=str(len(os.sched_getaffinity(0))))
    parser.add_argument("--neighbours", type=int, action="append", help="so many; may be repeated; default: 1, then 2")
    parser.add_argument("--nice", action="store_true", help="neighbours of this session, at nice 19")
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    what = parser.add_subparsers(dest="what", required=True)
    decode = what.add_parser("decode")
    decode.add_argument("--config", default="configs/bench/3b.json")
    decode.add_argument("--weights", default="int8")
    decode.add_argument("--steps-per-second", type=float, default=40, help="about what a quiet machine does")
    train = what.add_parser("train")
    train.add_argument("run")
    train.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    counts = args.neighbours or [1, 2]
    measure = decode_speed if args.what == "decode" else train_speed
    for _ in range(args.rounds):
        quiet = with_neighbours(0, args, measure)
        print(f"quiet {quiet:.2f} a second", flush=True)
        for count in counts:
            busy = with_neighbours(count, args, measure)
            print(f"beside {count}: {busy:.2f} a second, {100 * busy / quiet:.0f} %", flush=True)


if __name__ == "__main__":
    main()
