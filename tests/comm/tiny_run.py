"""A model and a run that take seconds, for `fathom train` over ranks."""
import json
import os
import pathlib

import mpirun

FATHOM = str(pathlib.Path(os.environ.get("FATHOM", "build/release/fathom")).resolve())
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


def fathom(folder, *arguments):
    ended = mpirun.run([FATHOM, "--threads", "1", *map(str, arguments)], folder)
    if ended.code != 0:
        raise AssertionError(ended.text)
    return ended


def prepare(folder, **changes):
    """run.toml and what it names; `changes` of the model."""
    (folder / "tiny.json").write_text(json.dumps({**MODEL, **changes}))
    (folder / "run.toml").write_text(RUN)
    (folder / "text.txt").write_text("".join(
        f"the sea {i * i} is deep and the ship {i} goes over it\n" for i in range(400)))
    fathom(folder, "init", "--config", "tiny.json", "--out", "bytes")


def settings(out, steps, layout):
    keys = {"run.out": out, "train.steps": steps, **{f"parallel.{k}": v for k, v in layout.items()}}
    return [part for key, value in keys.items() for part in ("--set", f"{key}={value}")]


def metrics(folder, out):
    """-> the lines of steps"""
    lines = [json.loads(line) for line in (folder / out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "loss" in line and "lr" in line]


def assert_same_bits(test, folder, out_a, out_b, steps):
    for name in ("model/model.safetensors", f"checkpoints/step-{steps:06}/optimizer.safetensors"):
        a, b = ((folder / out / name).read_bytes() for out in (out_a, out_b))
        test.assertEqual(a, b, name)
