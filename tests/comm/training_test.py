"""`fathom train` on ranks that are processes: the model that threads give, and what a lost rank costs.

FATHOM_KILLS=N kills N random ranks at random moments (one otherwise); after each the run goes on on fewer ranks.
"""
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time
import unittest

import mpirun
import tiny_run
from tiny_run import FATHOM, settings

KILLS = int(os.environ.get("FATHOM_KILLS", "1"))
RANKS = 4
DEADLINE_S = 15.0  # ranks that share two busy cores, and a disk, are late by seconds
MARGIN_S = 5.0
LAYOUT = {"pipeline_ranks": 2, "schedule": "zb-h1", "expert_ranks": 2}


class TrainingOverRanks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        tiny_run.prepare(cls.folder)

    @classmethod
    def fathom(cls, *arguments):
        return tiny_run.fathom(cls.folder, *arguments)

    def start(self, ranks, *arguments):
        """-> mpirun, every rank of which leaves its process id in pid.RANK"""
        script = f'echo $$ > pid.$OMPI_COMM_WORLD_RANK; exec {FATHOM} --threads 1 train run.toml "$@"'
        return subprocess.Popen(
            ["mpirun", "-n", str(ranks), "--bind-to", "none", "sh", "-c", script, "sh", *map(str, arguments)],
            cwd=self.folder, env=mpirun.ENVIRONMENT, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)

    def losses(self, out):
        return {row["step"]: row["loss"] for row in tiny_run.metrics(self.folder, out)}

    def newest(self, out):
        steps = sorted(int(path.name.removeprefix("step-"))
                       for path in (self.folder / out / "checkpoints").glob("step-??????"))
        return steps[-1] if steps else 0

    def signal_one(self, out, number, rank, wait_s):
        """Signals a rank of a run that has a checkpoint -> exit code, text, seconds from the signal to the end"""
        job = self.start(RANKS, *settings(out, 1_000_000, {**LAYOUT, "deadline_s": DEADLINE_S}))
        try:
            end = time.time() + 60
            while self.newest(out) == 0 and time.time() < end and job.poll() is None:
                time.sleep(0.02)
            time.sleep(wait_s)
            self.assertIsNone(job.poll(), job.poll() is None or job.communicate()[0])
            os.kill(int((self.folder / f"pid.{rank}").read_text()), number)
            at = time.time()
            text, _ = job.communicate(timeout=60)
            return job.returncode, text, time.time() - at
        finally:
            job.stdout.close()
            if job.poll() is None:
                job.kill()

    def test_processes_give_the_bits_of_threads(self):
        self.fathom("train", "run.toml", "--ranks", RANKS, *settings("threads", 8, LAYOUT))
        text, _ = (job := self.start(RANKS, *settings("processes", 8, LAYOUT))).communicate(timeout=120)
        self.assertEqual(job.returncode, 0, text)
        tiny_run.assert_same_bits(self, self.folder, "threads", "processes", 8)

    def test_a_rank_that_stops_is_named_and_reported(self):
        code, text, seconds = self.signal_one("stopped", signal.SIGSTOP, 2, 0.0)
        self.assertEqual(code, 3, text)
        self.assertRegex(text, rf"waited {DEADLINE_S:g} s for rank")
        self.assertLess(seconds, DEADLINE_S + MARGIN_S)
        reports = [json.loads(path.read_text()) for path in (self.folder / "stopped").glob("hang-*.json")]
        self.assertTrue(any(2 in report["operations"][-1].get("missing_ranks", []) for report in reports), text)
        self.assertTrue(all(report["operations"][-1]["step"] > 0 for report in reports))

    def test_killed_at_random_the_run_goes_on_on_fewer_ranks(self):
        draw = random.Random(KILLS)
        self.fathom("train", "run.toml", *settings("alone", 200, {}))
        alone = self.losses("alone")
        fewer = [(3, {}), (2, {"pipeline_ranks": 2, "schedule": "dualpipev"}), (2, {"expert_ranks": 2}), (1, {})]
        for kill in range(KILLS):
            out, rank = f"killed{kill}", draw.randrange(RANKS)
            code, text, seconds = self.signal_one(out, signal.SIGKILL, rank, draw.random())
            self.assertNotEqual(code, 0)
            self.assertRegex(text, rf"process rank {rank} .*signal 9")
            self.assertLess(seconds, DEADLINE_S + MARGIN_S)
            saved = self.newest(out)
            ranks, layout = fewer[kill % len(fewer)]
            job = self.start(ranks, *settings(out, saved + 3, layout), "--json")
            text, _ = job.communicate(timeout=120)
            self.assertEqual(job.returncode, 0, text)
            self.assertEqual(int(re.search(r'"resumed_step": (\d+)', text)[1]), saved)
            resumed = self.losses(out)
            for step in range(saved + 1, min(saved + 3, max(alone)) + 1):
                self.assertAlmostEqual(resumed[step], alone[step], delta=1e-3 * alone[step])


if __name__ == "__main__":
    mpirun.require_mpi()
    unittest.main()
