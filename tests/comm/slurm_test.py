"""packaging/slurm/train.sbatch in a real Slurm: slurmctld, slurmd and munged of this test's own, on loopback. Needs root
and Debian's slurm-wlm and munge; skipped by name without.

What runs as `fathom` is tests/comm/worker.cc, so that a rank can be lost at a chosen operation.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import mpirun

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CONFIG = """ClusterName=fathom
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=requeue_delay=1
MpiDefault=none
NodeName=localhost NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""
# The first run loses rank 1; the second, after the requeue, ends well.
LOSES_A_RANK_ONCE = """#!/bin/sh
if [ "${{SLURM_RESTART_COUNT:-0}}" = 0 ]; then
  exec {worker} mpi --deadline 2 signal 1 20 {signal}
fi
echo "arguments $*"
exec {worker} mpi digest 3 1
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """One node of four CPUs."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        controller, node = free_ports(2)
        config = self.folder / "slurm.conf"
        config.write_text(CONFIG.format(folder=folder, controller=controller, node=node))
        (self.folder / "state").mkdir()
        (self.folder / "spool").mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self.environment = {**mpirun.ENVIRONMENT, "SLURM_CONF": str(config)}
        self.daemons = []

    def start_daemons(self):
        folder, key, config = self.folder, self.folder / "munge.key", self.folder / "slurm.conf"
        self.start("munged", "-F", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
                   f"--pid-file={folder}/munge.pid", f"--log-file={folder}/munge.log",
                   f"--seed-file={folder}/munge.seed")
        self.until(lambda: (self.folder / "munge.socket").exists(), "munged's socket")
        self.start("slurmctld", "-D", "-f", str(config))
        self.start("slurmd", "-D", "-f", str(config), "-N", "localhost")
        self.until(lambda: "idle" in self.run("sinfo", "-h", "-o", "%T"), "an idle node")

    def start(self, *command):
        log = open(self.folder / f"{command[0]}.out", "w")
        self.daemons.append(subprocess.Popen(command, env=self.environment, stdout=log, stderr=log))

    def run(self, *command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60).stdout

    def until(self, condition, what, limit_s=30):
        end = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"no {what} within {limit_s} s")
            time.sleep(0.1)

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()


class Slurm(unittest.TestCase):
    def submit(self, program, *options):
        folder = pathlib.Path(cluster.folder, self.id())
        folder.mkdir()
        fathom = folder / "fathom"
        fathom.write_text(program)
        fathom.chmod(0o755)
        environment = {**cluster.environment, "FATHOM": str(fathom)}
        submitted = subprocess.run(
            ["sbatch", "--parsable", "--ntasks=3", f"--output={folder}/out", f"--chdir={folder}", *options,
             str(SOURCE / "packaging/slurm/train.sbatch"), "run.toml"],
            env=environment, capture_output=True, text=True, timeout=60)
        self.assertEqual(submitted.returncode, 0, submitted.stderr)
        job = submitted.stdout.strip()
        return job, lambda: (folder / "out").read_text() if (folder / "out").exists() else ""

    def wait_for(self, job, state, output):
        def reached():
            shown = cluster.run("scontrol", "show", "job", job)
            if "Reason=BeginTime" in shown:  # Slurm leaves a requeued job alone for two minutes
                cluster.run("scontrol", "update", f"JobId={job}", "StartTime=now")
            return f"JobState={state}" in shown
        try:
            cluster.until(reached, f"state {state}", 60)
        except TimeoutError as error:
            self.fail(f"{error}\n{output()}\n{cluster.run('scontrol', 'show', 'job', job)}")

    def test_a_job_that_loses_a_rank_is_requeued_and_goes_on(self):
        for what in (signal.SIGKILL, signal.SIGSTOP):
            with self.subTest(what):
                worker = pathlib.Path(mpirun.WORKER).resolve()
                job, output = self.submit(LOSES_A_RANK_ONCE.format(worker=worker, signal=int(what)))
                self.wait_for(job, "COMPLETED", output)
                self.assertIn("back into the queue", output())
                self.assertIn("arguments --threads 1 train --json run.toml", output())
                self.assertEqual(len([x for x in output().splitlines() if x.startswith("rank ") and "#" not in x]), 3)
                shutil.rmtree(pathlib.Path(cluster.folder, self.id()))

    def test_an_error_of_the_program_is_not_tried_again(self):
        worker = pathlib.Path(mpirun.WORKER).resolve()
        job, output = self.submit(f"#!/bin/sh\nexec {worker} mpi throw\n")
        self.wait_for(job, "FAILED", output)
        self.assertIn("rank 1's disk is full", output())
        self.assertNotIn("queue", output())

    def test_srun_starts_ranks_without_mpirun(self):
        worker = str(pathlib.Path(mpirun.WORKER).resolve())
        ended = subprocess.run(["srun", "-n", "3", "--mpi=pmix", worker, "mpi", "digest", "3", "1"],
                               env=cluster.environment, capture_output=True, text=True, timeout=60)
        if "Invalid MPI type" in ended.stderr or "Couldn't find" in ended.stderr:
            self.skipTest("this Slurm has no PMIx")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(sorted(ended.stdout.splitlines()),
                         sorted(mpirun.threads(3, "digest", 3, 1).text.splitlines()))


if __name__ == "__main__":
    mpirun.require_mpi()
    missing = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        print("skipped: needs root and Debian's slurm-wlm and munge; missing:", ", ".join(missing) or "root")
        sys.exit(mpirun.SKIP)
    with tempfile.TemporaryDirectory() as home:
        cluster = Cluster(home)
        try:
            cluster.start_daemons()
        except TimeoutError as error:
            cluster.stop()
            print("skipped: Slurm does not start here:", error)
            sys.exit(mpirun.SKIP)
        try:
            passed = unittest.main(exit=False).result.wasSuccessful()
        finally:
            cluster.stop()
    sys.exit(0 if passed else 1)
