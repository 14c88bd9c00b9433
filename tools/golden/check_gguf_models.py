#!/usr/bin/env python3
"""Does a GGUF file of any type give the logits of the model it stands for? For every architecture that fathom reads, a
random model as llama.cpp's own converter writes it, whose matrices then become blocks of every type in turn: random
ones, as the `gguf` package writes and dequantises them. `fathom score` of that file (types that fathom keeps as they
are: so; others decoded to F32) and of the dequantised numbers in F32 must agree.

    python3 tools/golden/check_gguf_models.py FATHOM LLAMA_CPP_DIRECTORY [TYPE...]

Needs what make_gguf_golden.py needs. Exit 0 if the largest difference is at most 1e-4 of the largest logit.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

FATHOM, LLAMA_CPP = sys.argv[1], pathlib.Path(sys.argv[2])
sys.path[:0] = [str(LLAMA_CPP), str(LLAMA_CPP / "gguf-py")]

import conversion  # noqa: E402
import gguf  # noqa: E402
import torch  # noqa: E402
from conversion.base import ModelBase  # noqa: E402
from gguf import GGMLQuantizationType as T  # noqa: E402
from gguf.quants import dequantize  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

# Where a block's f16 scales lie.
SCALES_AT = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108],
             T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: []}
PLAIN = [T.F32, T.F16, T.BF16]
KEPT = [T.Q4_0, T.Q4_1, T.Q8_0]
BOUND = 1e-4
DENSE = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 320, "max_position_embeddings": 128,
         "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "torch_dtype": "float32", "tie_word_embeddings": False}
MLA = {"hidden_size": 256, "intermediate_size": 512, "moe_intermediate_size": 256, "num_hidden_layers": 3,
       "num_attention_heads": 2, "num_key_value_heads": 2, "kv_lora_rank": 256, "qk_nope_head_dim": 256,
       "qk_rope_head_dim": 16, "v_head_dim": 256, "vocab_size": 320, "max_position_embeddings": 128,
       "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1, "moe_layer_freq": 1,
       "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "torch_dtype": "float32", "hidden_act": "silu",
       "tie_word_embeddings": False, "attention_bias": False}
CONFIGS = {
    "llama": DENSE | {"architectures": ["LlamaForCausalLM"], "model_type": "llama"},
    "qwen2": DENSE | {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"},
    "qwen3": DENSE | {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"},
    "deepseek2 (V2)": MLA | {"architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2",
                             "q_lora_rank": None, "n_routed_experts": 4, "n_group": 1, "topk_group": 1,
                             "topk_method": "greedy", "scoring_func": "softmax", "norm_topk_prob": False,
                             "routed_scaling_factor": 1.0},
    "deepseek2 (V3)": MLA | {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3",
                             "q_lora_rank": 256, "n_routed_experts": 8, "n_group": 2, "topk_group": 1,
                             "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": True,
                             "routed_scaling_factor": 2.5, "num_nextn_predict_layers": 0},
}


def random_blocks(rng, shape, dtype):
    """Bytes of `shape` numbers with a deviation near 0.05."""
    elements, size = gguf.GGML_QUANT_SIZES[dtype]
    blocks = rng.integers(0, 256, (*shape[:-1], shape[-1] // elements, size), dtype=np.uint8)
    if dtype == T.MXFP4:
        blocks[..., 0] = rng.integers(119, 123, blocks.shape[:-1])
    scale = np.float16(1e-3)
    for _ in range(2):
        for at in SCALES_AT[dtype]:
            blocks[..., at:at + 2] = np.frombuffer(np.float16(scale).tobytes(), np.uint8)
        scale *= 0.05 / max(float(dequantize(blocks.reshape(*shape[:-1], -1), dtype).std()), 1e-9)
    return blocks.reshape(*shape[:-1], -1)


def stored(rng, tensor, dtype):
    """(bytes as the writer wants them, their type, what they stand for)."""
    numbers = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
    if dtype in KEPT and ("attn_k_b" in tensor.name or "attn_v_b" in tensor.name):
        dtype = T.BF16  # a transposed half of kv_b_proj has no integers of its own: fathom decodes it to BF16
    elements, _ = gguf.GGML_QUANT_SIZES[dtype]
    is_matrix = numbers.ndim > 1 and "gate_inp" not in tensor.name
    if not is_matrix or numbers.shape[-1] % elements != 0 or dtype == T.F32:
        return numbers, T.F32, numbers
    if dtype in PLAIN:
        raw = gguf.quants.quantize(numbers, dtype)
    else:
        raw = random_blocks(rng, numbers.shape, dtype)
    return raw, dtype, dequantize(raw, dtype).reshape(numbers.shape).astype(np.float32)


def rewrite(source, quantised, exact, dtype):
    """`source` with its matrices in `dtype`, and what that stands for in F32. -> how many matrices changed."""
    rng, reader, changed = np.random.default_rng(7), gguf.GGUFReader(source), 0
    architecture = reader.fields["general.architecture"].contents()
    writers = [gguf.GGUFWriter(path, architecture) for path in (quantised, exact)]
    for writer in writers:
        for name, field in reader.fields.items():
            if not name.startswith("GGUF.") and name != "general.architecture":
                writer.add_key_value(name, field.contents(), field.types[0],
                                     sub_type=field.types[-1] if len(field.types) > 1 else None)
    for tensor in reader.tensors:
        raw, raw_dtype, numbers = stored(rng, tensor, dtype)
        changed += raw_dtype != T.F32
        writers[0].add_tensor(tensor.name, raw, raw_dtype=raw_dtype)
        writers[1].add_tensor(tensor.name, numbers, raw_dtype=T.F32)
    for writer in writers:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return changed


def logits(path, out, kept):
    ids = ",".join(str(i * 37 % 320) for i in range(24))
    subprocess.run([FATHOM, "score", "--model", str(path), "--gguf-to", "auto" if kept else "f32", "--activations",
                    "f32", "--token-ids", ids, "--dump-logits", str(out), "--no-tokens"], check=True,
                   stdout=subprocess.DEVNULL)
    return load_file(out)["logits"]


def make_source(config, folder):
    """A random model of the architecture as llama.cpp's converter writes it, in F32."""
    (folder / "config.json").write_text(json.dumps(config))
    subprocess.run([FATHOM, "init", "--config", str(folder / "config.json"), "--out", str(folder / "model")],
                   check=True, stdout=subprocess.DEVNULL)
    cls = conversion.get_model_class(ModelBase.load_hparams(folder / "model", False)["architectures"][0])
    cls.set_vocab = lambda self: None
    with torch.inference_mode():
        cls(folder / "model", gguf.LlamaFileType.ALL_F32, folder / "source.gguf").write()
    return folder / "source.gguf"


def main():
    types = [T[name] for name in sys.argv[3:]] or [*PLAIN, *SCALES_AT]
    worst = 0.0
    for name, config in CONFIGS.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            source = make_source(config, folder)
            for dtype in types:
                changed = rewrite(source, folder / "q.gguf", folder / "f.gguf", dtype)
                got, want = (logits(folder / f"{x}.gguf", folder / f"{x}.safetensors", dtype in KEPT) for x in "qf")
                difference = float(np.abs(got - want).max() / np.abs(want).max())
                worst = max(worst, difference)
                print(f"{name:16} {dtype.name:7} {changed:3} matrices, largest logit {np.abs(want).max():8.3f}, "
                      f"difference {difference:.1e}", flush=True)
    print(f"worst {worst:.1e}, bound {BOUND:.0e}")
    return 0 if worst <= BOUND else 1


if __name__ == "__main__":
    sys.exit(main())
