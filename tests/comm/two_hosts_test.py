"""Two network namespaces with addresses and host names of their own, as two hosts under mpirun: ranks on one host share
memory, the others are reached over TCP. Needs root and iproute2; skipped by name without."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import mpirun
import tiny_run

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


def link_bytes():
    """That both hosts have sent so far."""
    shown = [subprocess.run(["ip", "-n", name, "-s", "-j", "link", "show", link], check=True, capture_output=True,
                            text=True).stdout for name, link in zip(NAMES, LINKS)]
    return sum(json.loads(text)[0]["stats64"]["tx"]["bytes"] for text in shown)


class TwoHosts(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.agent = pathlib.Path(self.folder.name, "agent.sh")
        self.agent.write_text(AGENT.format(*ADDRESSES, *NAMES))
        self.agent.chmod(0o755)

    def start_on_both(self, *command):
        """Two ranks a host, started on the first."""
        hosts = ",".join(f"{address}:2" for address in ADDRESSES)
        network = f"{ADDRESSES[0]}/24"
        line = (f"hostname {NAMES[0]}; exec mpirun --host {hosts} --mca plm_rsh_agent {self.agent} "
                f"--mca oob_tcp_if_include {network} --mca btl_tcp_if_include {network} --mca btl tcp,vader,self "
                f"--bind-to none {' '.join(map(str, command))}")
        return mpirun.run(["ip", "netns", "exec", NAMES[0], "unshare", "--uts", "sh", "-c", line],
                          self.folder.name)

    def run_on_both(self, *arguments):
        return self.start_on_both(pathlib.Path(mpirun.WORKER).resolve(), "mpi", *arguments)

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


    def train(self, out, steps, layout, on_both):
        words = ["--threads", 1, "train", "run.toml", *tiny_run.settings(out, steps, layout)]
        if on_both:
            ended = self.start_on_both(tiny_run.FATHOM, *words)
        else:
            ended = tiny_run.fathom(pathlib.Path(self.folder.name), *words[2:], "--ranks", 4)
        self.assertEqual(ended.code, 0, ended.text)
        return tiny_run.metrics(pathlib.Path(self.folder.name), out)

    def test_two_hops_give_the_bits_of_threads_and_of_one_hop(self):
        folder = pathlib.Path(self.folder.name)
        tiny_run.prepare(folder)
        layout, steps = {"expert_ranks": 4}, 4
        hosts = self.train("hosts", steps, layout, on_both=True)
        threads = self.train("threads", steps, {**layout, "ranks_per_node": 2}, on_both=False)
        tiny_run.assert_same_bits(self, folder, "hosts", "threads", steps)
        self.train("one", steps, {**layout, "ranks_per_node": 1}, on_both=True)
        tiny_run.assert_same_bits(self, folder, "hosts", "one", steps)
        names = [f"rank{rank}_network_bytes" for rank in range(4)]
        self.assertEqual(*([[row["stage"][name] for name in names] for row in run] for run in (hosts, threads)))

    def test_two_hops_send_less_over_the_link(self):
        tiny_run.prepare(pathlib.Path(self.folder.name), n_routed_experts=16, num_experts_per_tok=4)
        sent = {}
        for name, layout in (("two hops", {}), ("one hop", {"ranks_per_node": 1})):
            before = link_bytes()
            self.train(name.replace(" ", "-"), 8, {"expert_ranks": 4, "wire": "bf16", **layout}, on_both=True)
            sent[name] = link_bytes() - before
        print("bytes over the link in eight steps:", sent)
        self.assertLess(sent["two hops"], sent["one hop"])


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
