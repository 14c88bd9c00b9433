"""Two network namespaces with addresses and host names of their own, as two hosts under mpirun: ranks on one host share
memory, the others are reached over TCP. Needs root and iproute2; skipped by name without."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import mpirun

NAMES = [f"fathom-{os.getpid()}-{letter}" for letter in "ab"]
LINKS = [f"f{os.getpid()}{letter}" for letter in "ab"]
ADDRESSES = ["10.77.0.1", "10.77.0.2"]

# Where mpirun would call ssh.
AGENT = """#!/bin/sh
case $1 in {0}) name={2};; {1}) name={3};; *) echo "no host $1" >&2; exit 1;; esac
shift
exec ip netns exec $name unshare --uts sh -c "hostname $name; $*"
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def make_hosts():
    """Throws what forbids it."""
    for name in NAMES:
        ip("netns", "add", name)
    ip("link", "add", LINKS[0], "type", "veth", "peer", "name", LINKS[1])
    for name, link, address in zip(NAMES, LINKS, ADDRESSES):
        ip("link", "set", link, "netns", name)
        ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "set", link, "up")


def remove_hosts():
    for name in NAMES:
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


class TwoHosts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.agent = pathlib.Path(self.folder.name, "agent.sh")
        self.agent.write_text(AGENT.format(*ADDRESSES, *NAMES))
        self.agent.chmod(0o755)

    def run_on_both(self, *arguments):
        """Two ranks a host, started on the first."""
        worker = pathlib.Path(mpirun.WORKER).resolve()
        hosts = ",".join(f"{address}:2" for address in ADDRESSES)
        network = f"{ADDRESSES[0]}/24"
        command = (f"hostname {NAMES[0]}; exec mpirun --host {hosts} --mca plm_rsh_agent {self.agent} "
                   f"--mca oob_tcp_if_include {network} --mca btl_tcp_if_include {network} --mca btl tcp,vader,self "
                   f"--bind-to none {worker} mpi {' '.join(map(str, arguments))}")
        return mpirun.run(["ip", "netns", "exec", NAMES[0], "unshare", "--uts", "sh", "-c", command],
                          self.folder.name)

    def test_hosts_are_nodes_and_sums_go_in_two_levels(self):
        ended = self.run_on_both("digest", 5, 2)
        self.assertEqual(ended.code, 0, ended.text)
        lines = [sorted(line for line in run.text.splitlines() if line.startswith("rank "))
                 for run in (ended, mpirun.threads(4, "--ranks-per-node", 2, "digest", 5, 2))]
        self.assertEqual(len(lines[0]), 4, ended.text)
        self.assertEqual(*lines)

    def test_a_rank_that_stops_on_the_other_host_is_named(self):
        ended = self.run_on_both("--deadline", 1, "signal", 3, 20, int(signal.SIGSTOP))
        self.assertEqual(ended.code, 3, ended.text)
        self.assertIn(" for rank 3; see ", ended.text)


if __name__ == "__main__":
    mpirun.require_mpi()
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("skipped: making network namespaces needs root and iproute2")
        sys.exit(mpirun.SKIP)
    try:
        make_hosts()
    except subprocess.CalledProcessError as error:
        remove_hosts()
        print("skipped: no network namespaces here:", error.stderr.strip())
        sys.exit(mpirun.SKIP)
    try:
        passed = unittest.main(exit=False).result.wasSuccessful()
    finally:
        remove_hosts()
    sys.exit(0 if passed else 1)
