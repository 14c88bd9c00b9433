#!/usr/bin/env python3
"""An exchange through comm against a bare MPI_Alltoallv of the same bytes (src/comm/comm_bench.cc).

Usage: compare_exchange.py BENCH [--ranks N] [--tokens N] [--elements N] [--repeats N]

Runs the two in turn, because machines are noisy, and prints the times of their median and best rounds and the ratios.
Where other programs use the cores the median round is mostly theirs.
"""
import argparse
import os
import re
import statistics
import subprocess

ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
               "OMPI_MCA_rmaps_base_oversubscribe": "yes", "OMPI_MCA_mpi_yield_when_idle": "1",
               "OMP_NUM_THREADS": "1"}


def times_us(args, what):
    """-> (median, best) of its rounds"""
    run = subprocess.run(["mpirun", "-n", str(args.ranks), "--bind-to", "none", args.bench, what,
                          str(args.tokens), str(args.elements)],
                         env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return tuple(map(float, re.search(r"median ([\d.]+) us, best ([\d.]+) us", run.stdout).groups()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--elements", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    times = {"comm": [], "bare": []}
    for _ in range(args.repeats):
        for what, values in times.items():
            values.append(times_us(args, what))
    print(f"{args.ranks} ranks, {args.tokens} tokens of {args.elements} BF16 a rank, {args.repeats} runs of each in turn:")
    for at, kind in enumerate(("median", "best")):
        ours, bare = ([run[at] for run in times[what]] for what in ("comm", "bare"))
        ratios = [x / y for x, y in zip(ours, bare)]
        print(f"  {kind} round: comm {statistics.median(ours):.0f} us, bare MPI_Alltoallv {statistics.median(bare):.0f} us, "
              f"ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
