"""Starts tests/comm/worker.cc under mpirun: as root, with more ranks than cores, on one machine."""
import os
import pathlib
import shutil
import subprocess
import sys
from typing import NamedTuple

WORKER = os.environ.get("COMM_WORKER", "build/release/tests/comm_worker")
SKIP = 77
ENVIRONMENT = {
    **os.environ,
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "yes", "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_btl": "vader,self", "OMP_NUM_THREADS": "1",
    "ASAN_OPTIONS": "detect_leaks=0",  # MPI's own
}


class Ended(NamedTuple):
    code: int
    text: str


def require_mpi():
    """Skips the test, by name, where MPI or its launcher is missing."""
    if shutil.which("mpirun") is None:
        print("skipped: there is no mpirun (Debian: openmpi-bin)")
        sys.exit(SKIP)
    answer = subprocess.run([WORKER, "mpi"], capture_output=True, text=True, check=True).stdout
    if "built without MPI" in answer:
        print("skipped:", answer.strip())
        sys.exit(SKIP)


def run(command, folder=".", limit_s=120):
    """-> Ended; its text is stdout and stderr together."""
    ended = subprocess.run(command, cwd=folder, env=ENVIRONMENT, timeout=limit_s, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return Ended(ended.returncode, ended.stdout)


def mpi(ranks, *arguments, folder=".", limit_s=120):
    worker = pathlib.Path(WORKER).resolve()
    return run(["mpirun", "-n", str(ranks), "--bind-to", "none", str(worker), "mpi", *map(str, arguments)],
               folder, limit_s)


def threads(ranks, *arguments, folder="."):
    worker = pathlib.Path(WORKER).resolve()
    return run([str(worker), f"threads:{ranks}", *map(str, arguments)], folder)
