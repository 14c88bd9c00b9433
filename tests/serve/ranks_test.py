"""One model served over several ranks: answers of one rank, experts that change places, a rank that is lost, what is refused."""
import json
import re
import subprocess
import threading
import time
import unittest

import halted
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


PATH = "/v1/chat/completions"


def plain(answer):
    """Without what is each request's own."""
    return {k: v for k, v in answer.items() if k not in ("id", "created", "timings", "x_fathom")}


def streamed(chunks):
    """What the chunks of two choices add up to, however they were cut."""
    parts = []
    for index in (0, 1):
        message, reason = harness.joined(chunks, index)
        probs = [entry for chunk in chunks for choice in chunk["choices"] if choice["index"] == index
                 for entry in (choice.get("logprobs") or {}).get("content") or []]
        parts.append({"message": message, "reason": reason, "logprobs": probs})
    return parts


class Ranks(unittest.TestCase):
    def answers(self, server):
        """Of every kind: whole, streamed, several choices, log-probabilities of prompt and answer, a form."""
        asked = []
        for text in TEXTS:
            body = harness.chat_body(text, max_tokens=24, temperature=0.8, seed=len(text), ignore_eos=True)
            asked.append(server.ok(PATH, body | {"logprobs": True, "top_logprobs": 3, "n": 2}))
            asked += streamed(server.chunks(PATH, body | {"logprobs": True, "n": 2}))
            asked.append(server.ok("/v1/completions", {"prompt": [text, text + "!"], "echo": True, "logprobs": 2,
                                                       "max_tokens": 12, "temperature": 0}))
        asked.append(server.chat("yes or no", **harness.forced("perhaps")))
        return [plain(answer) for answer in asked]

    def test_every_kind_of_answer_is_one_ranks_to_the_bit(self):
        path = harness.model(**(SHAPE | {"num_nextn_predict_layers": 1}))
        alone = harness.Server(path)
        want = self.answers(alone)
        alone.stop()
        server = harness.Server(path, extra=["--ranks", "2"])
        got = self.answers(server)
        self.assertEqual(len(got), len(want))
        for one, other in zip(got, want):
            self.assertEqual(one, other)
        server.stop()

    def test_prefill_and_decode_apart_answer_as_one_rank(self):
        path = harness.model(**(SHAPE | {"num_nextn_predict_layers": 1}))
        alone = harness.Server(path)
        want = self.answers(alone)
        alone.stop()
        server = harness.Server(path, extra=["--ranks", "3", "--prefill-ranks", "1"])
        self.assertEqual(self.answers(server), want)
        text = server.get("/metrics")[2]
        done = float(re.search(r'^fathom_handovers_total{.*outcome="done"} (\S+)$', text, re.M)[1])
        self.assertGreater(done, 10)
        self.assertGreater(server.metric("handover_bytes_total"), 0)
        self.assertEqual(set(re.findall(r'^fathom_handover_requests{.*phase="(\w+)"} 0$', text, re.M)),
                         {"prompt", "rows", "place"})
        server.stop()

    def test_more_ranks_for_prompts_than_there_are_is_refused(self):
        done = harness.serve("--model", str(harness.model(**SHAPE)), "--port", "0", "--ranks", "2", "--prefill-ranks", "2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ranks.prefill", done.stderr)

    def halt_a_rank(self, server):
        """Rank 1 stands still, outside of the locks that it shares."""
        try:
            rank = halted.Halted(halted.thread_of(server.process.pid, "rank 1"))
        except OSError as refusal:
            self.skipTest(f"no thread can be halted here: {refusal}")
        for _ in range(20):
            rank.halt()
            try:
                server.request("GET", "/metrics", timeout=0.5)
                return rank
            except TimeoutError:
                rank.go_on()
                time.sleep(0.01)
        self.fail("rank 1 holds a lock whenever it is looked at")

    def test_a_lost_rank_is_503_with_its_number_to_everybody(self):
        folder = harness.Folder().path
        server = harness.Server(harness.model(**SHAPE, max_position_embeddings=8192), folder=folder,
                                settings=["ranks.deadline_s=2", "server.stalled_after_s=0.5",
                                          "model.cache_tokens=131072"], extra=["--ranks", "2"])
        heard, ended = {}, threading.Condition()

        def ask(i):
            body = harness.chat_body("a" * i, max_tokens=8000, ignore_eos=True, stream=i % 2 == 0)
            status, headers, answer = server.post(PATH, body, timeout=120)
            with ended:
                heard[i] = (status, headers, answer)
                ended.notify()

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(1, 9)]
        for thread in threads:
            thread.start()
        while server.metric("num_requests_running") < 8 or server.metric("engine_steps_total") < 30:
            time.sleep(0.01)
        rank = self.halt_a_rank(server)
        with ended:  # half of them are rank 0's, which waits for nobody
            self.assertTrue(ended.wait_for(lambda: len(heard) == 4, timeout=30), heard)
        status, headers, answer = server.post(PATH, harness.chat_body())
        self.assertEqual((status, answer["error"]["code"]), (503, "server_unavailable"))
        self.assertEqual(answer["error"]["message"], "serving has ended: rank 1 did not come")
        self.assertGreater(int(headers["Retry-After"]), 0)
        time.sleep(0.6)
        self.assertEqual(server.get("/health")[2], {"status": "stalled"})
        lost = json.loads((folder / "hang-0.json").read_text())
        self.assertEqual(lost["operations"][-1]["missing_ranks"] if "operations" in lost else lost["missing_ranks"], [1])
        rank.release()  # the lost one comes back: its requests hear the same
        for thread in threads:
            thread.join()
        for i, (status, _, answer) in heard.items():
            if i % 2 == 0:
                self.assertEqual(status, 200)
                error = json.loads(re.findall(r"^data: (\{.*)$", answer, re.M)[-1])["error"]
            else:
                self.assertEqual(status, 503)
                error = answer["error"]
            self.assertRegex(error["message"], "serving has ended: rank 1 did not come", i)
        self.assertIn(server.stop(), (0, 130, -2))

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
