"""One model served over several ranks: answers of one rank, experts that change places, what is refused."""
import pathlib
import re
import subprocess
import threading
import unittest

import harness

# Experts and ranks that divide nothing; three layers with experts, none of them dense.
SHAPE = {"num_hidden_layers": 3, "first_k_dense_replace": 0, "num_nextn_predict_layers": 0}
TEXTS = ["The sea", "A" * 90, "one two three four five six seven", "?", "Wind and rain", "0123456789" * 4]


def body(text, seed):
    return {"prompt": text, "max_tokens": 40, "temperature": 0.7, "seed": seed, "ignore_eos": True}


def ask_all(server, rounds=1):
    """The texts of all requests, which run at once."""
    answers = {}

    def ask(i):
        text = TEXTS[i % len(TEXTS)]
        answers[i] = server.ok("/v1/completions", body(text, i))["choices"][0]["text"]

    for _ in range(rounds):
        threads = [threading.Thread(target=ask, args=(i,)) for i in range(2 * len(TEXTS))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return answers


class Ranks(unittest.TestCase):
    def test_answers_are_one_ranks_and_experts_move_as_plan_balance_predicts(self):
        path = harness.model(**SHAPE)
        alone = harness.Server(path, template=None)
        want = ask_all(alone)
        alone.stop()
        loads = harness.Folder().path / "loads.txt"
        settings = ["ranks.redundant_experts=8", "ranks.balance_every=60", f"ranks.loads_file={loads}"]
        server = harness.Server(path, template=None, settings=settings, extra=["--ranks", "3"])
        self.assertEqual(ask_all(server), want)
        before = None
        for _ in range(20):
            if server.metric("expert_placements_total") == 0:
                before = server.metric("expert_load_imbalance")
            self.assertEqual(ask_all(server), want)
            if server.metric("expert_placements_total") >= 3:
                break
        self.assertGreaterEqual(server.metric("expert_placements_total"), 3)
        self.assertGreater(server.metric("expert_moved_bytes_total"), 0)
        windows = []  # a short one has a few hundred tokens, which replicas share unevenly by chance
        for _ in range(4):
            self.assertEqual(ask_all(server, rounds=3), want)
            windows.append(server.metric("expert_load_imbalance"))
        after = sum(windows) / len(windows)
        predicted = self.plan_balance(loads)
        print(f"largest over mean load of a rank: {before} before, {after} after, {predicted} planned")
        if before is not None:
            self.assertLess(after, before)
        self.assertAlmostEqual(after, predicted, delta=0.05 * predicted)
        self.assertEqual(server.ok_get("/admin/status")["engine"]["ranks"], 3)
        self.assertEqual(server.stop() in (0, 130, -2), True)

    def plan_balance(self, loads):
        experts = len(loads.read_text().splitlines()[1].split())
        slots = -(-(experts + 8) // 3) * 3
        done = subprocess.run([harness.FATHOM, "plan", "balance", str(loads), "--gpus", "3", "--replicas", str(slots)],
                              capture_output=True, text=True, check=True, env=harness.environment())
        return float(re.search(r"placed and replicated +(\S+)", done.stdout)[1])

    def test_tokens_dealt_by_a_flow_change_no_answer(self):
        path = harness.model(**SHAPE)
        alone = harness.Server(path, template=None)
        want = ask_all(alone)
        alone.stop()
        settings = ["ranks.redundant_experts=8", "ranks.replicas=flow", "ranks.active_experts=9"]
        server = harness.Server(path, template=None, settings=settings, extra=["--ranks", "2"])
        self.assertEqual(ask_all(server), want)
        server.stop()

    def test_a_rank_of_a_launcher_is_refused(self):
        done = harness.serve("--model", str(harness.model(**SHAPE)), "--port", "0", environ={"OMPI_COMM_WORLD_SIZE": "4"})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("OMPI_COMM_WORLD_SIZE=4", done.stderr)
        self.assertIn("--ranks 4", done.stderr)


if __name__ == "__main__":
    unittest.main()
