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

FATHOM = str(pathlib.Path(os.environ.get("FATHOM", "build/release/fathom")).resolve())
KILLS = int(os.environ.get("FATHOM_KILLS", "1"))
RANKS = 4
DEADLINE_S = 15.0  # ranks that share two busy cores, and a disk, are late by seconds
MARGIN_S = 5.0
MODEL = {
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "vocab_size": 288,
    "hidden_size": 32, "intermediate_size": 48, "moe_intermediate_size": 16, "num_hidden_layers": 4,
    "num_attention_heads": 2, "num_key_value_heads": 2, "q_lora_rank": 24, "kv_lora_rank": 16,
    "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8, "n_routed_experts": 4,
    "n_shared_experts": 1, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1,
    "norm_topk_prob": True, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
    "topk_method": "noaux_tc", "first_k_dense_replace": 1, "moe_layer_freq": 1,
    "num_nextn_predict_layers": 1, "hidden_act": "silu", "max_position_embeddings": 128,
    "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "rope_interleave": True, "tie_word_embeddings": False,
    "attention_bias": False, "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "bfloat16"}
RUN = """
[run]
out = "out"
[model]
config = "tiny.json"
tokenizer = "bytes"
[data.train.prose]
paths = "text.txt"
[data]
seq_len = 32
[train]
steps = 8
batch_sequences = 8
micro_batch_sequences = 1
checkpoint_every = 4
[schedule]
shape = "constant"
warmup_steps = 0
peak_lr = 1e-3
[mtp]
late_loss_weight = 0.3
[precision]
mode = "f32"
[parallel]
wire = "f32"
"""
LAYOUT = {"pipeline_ranks": 2, "schedule": "zb-h1", "expert_ranks": 2}


def settings(out, steps, layout):
    keys = {"run.out": out, "train.steps": steps, **{f"parallel.{k}": v for k, v in layout.items()}}
    return [part for key, value in keys.items() for part in ("--set", f"{key}={value}")]


class TrainingOverRanks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        (cls.folder / "tiny.json").write_text(json.dumps(MODEL))
        (cls.folder / "run.toml").write_text(RUN)
        (cls.folder / "text.txt").write_text("".join(
            f"the sea {i * i} is deep and the ship {i} goes over it\n" for i in range(400)))
        cls.fathom("init", "--config", "tiny.json", "--out", "bytes")

    @classmethod
    def fathom(cls, *arguments):
        ended = mpirun.run([FATHOM, "--threads", "1", *map(str, arguments)], cls.folder)
        if ended.code != 0:
            raise AssertionError(ended.text)
        return ended

    def start(self, ranks, *arguments):
        """-> mpirun, every rank of which leaves its process id in pid.RANK"""
        script = f'echo $$ > pid.$OMPI_COMM_WORLD_RANK; exec {FATHOM} --threads 1 train run.toml "$@"'
        return subprocess.Popen(
            ["mpirun", "-n", str(ranks), "--bind-to", "none", "sh", "-c", script, "sh", *map(str, arguments)],
            cwd=self.folder, env=mpirun.ENVIRONMENT, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)

    def losses(self, out):
        lines = (self.folder / out / "metrics.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        return {row["step"]: row["loss"] for row in rows if "loss" in row and "lr" in row}

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
        for name in ("model/model.safetensors", "checkpoints/step-000008/optimizer.safetensors"):
            a, b = ((self.folder / out / name).read_bytes() for out in ("threads", "processes"))
            self.assertEqual(a, b, name)

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
