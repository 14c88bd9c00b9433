"""Ranks as processes: the same bits as over threads, and what is said and done when a rank is lost.

FATHOM_KILLS=N kills N random ranks at random operations (one otherwise).
"""
import json
import os
import pathlib
import random
import re
import signal
import tempfile
import time
import unittest

import mpirun

KILLS = int(os.environ.get("FATHOM_KILLS", "1"))
DEADLINE_S = 1.0
MARGIN_S = 5.0


def lines(ended):
    return sorted(line for line in ended.text.splitlines() if line.startswith("rank "))


class SameBits(unittest.TestCase):
    def compare(self, ranks, *arguments):
        over_mpi, over_threads = mpirun.mpi(ranks, *arguments), mpirun.threads(ranks, *arguments)
        self.assertEqual(over_mpi.code, 0, over_mpi.text)
        self.assertEqual(len(lines(over_mpi)), ranks, over_mpi.text)
        self.assertEqual(lines(over_mpi), lines(over_threads))

    def test_every_operation_gives_the_bits_of_threads(self):
        self.compare(4, "digest", 3, 2)

    def test_in_debug_mode_and_in_two_levels_too(self):
        self.compare(4, "--debug", "--ranks-per-node", 2, "digest", 4, 1)


class LostRank(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def report(self, rank):
        return json.loads(pathlib.Path(self.folder.name, f"hang-{rank}.json").read_text())

    def end_one(self, rank, operation, what):
        """-> Ended, and the seconds from the signal to the end of the job"""
        ended = mpirun.mpi(3, "--deadline", DEADLINE_S, "signal", rank, operation, int(what),
                           folder=self.folder.name)
        at = re.search(r"signal at ([\d.]+)", ended.text)
        self.assertIsNotNone(at, ended.text)
        return ended, time.time() - float(at[1])

    def test_a_rank_that_stops_is_named_by_all_others_within_the_deadline(self):
        ended, seconds = self.end_one(2, 57, signal.SIGSTOP)
        self.assertEqual(ended.code, 3, ended.text)
        self.assertRegex(ended.text, r"rank [01]: all_reduce_max #57 of world .* for rank 2; see ")
        self.assertLess(seconds, DEADLINE_S + MARGIN_S)
        for rank in (0, 1):
            operations = self.report(rank)["operations"]
            self.assertEqual([o["number"] for o in operations], list(range(58)))
            self.assertTrue(all(o["state"] == "ended" for o in operations[:-1]))
            last = operations[-1]
            self.assertEqual((last["state"], last["missing_ranks"]), ("under way", [2]))
            self.assertEqual((last["step"], last["layer"]), (5, 7))
            self.assertEqual((last["expected_bytes"], last["received_bytes"]), (16000, 8000))

    def test_killed_at_random_the_job_ends_and_names_the_rank(self):
        draw = random.Random(KILLS)
        for _ in range(KILLS):
            rank, operation = draw.randrange(3), draw.randrange(200)
            ended, seconds = self.end_one(rank, operation, signal.SIGKILL)
            self.assertNotEqual(ended.code, 0)
            self.assertIn(f"process rank {rank} ", ended.text)
            self.assertIn("signal 9", ended.text)
            self.assertLess(seconds, DEADLINE_S + MARGIN_S)

    def test_an_error_of_one_rank_ends_all_with_its_exit_code(self):
        ended = mpirun.mpi(3, "throw", folder=self.folder.name)
        self.assertEqual(ended.code, 1, ended.text)
        self.assertIn("error: rank 1's disk is full", ended.text)

    def test_abort_ends_all_with_exit_code_3(self):
        ended = mpirun.mpi(3, "abort", folder=self.folder.name)
        self.assertEqual(ended.code, 3, ended.text)
        self.assertIn("rank 1 has seen enough", ended.text)

    def test_a_message_of_another_size_is_named(self):
        size = mpirun.mpi(3, "--deadline", DEADLINE_S, "mismatch", "size", folder=self.folder.name)
        self.assertEqual(size.code, 2, size.text)
        self.assertRegex(size.text, r"broadcast #1 of world .* sent 16 bytes where 24 are expected")


if __name__ == "__main__":
    mpirun.require_mpi()
    unittest.main()
