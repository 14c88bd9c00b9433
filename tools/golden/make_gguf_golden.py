#!/usr/bin/env python3
"""Makes tests/golden/gguf/types.gguf and types.safetensors: random blocks of every type that fathom reads, as the
`gguf` package writes them, and the f32 numbers its reference dequantises them to; and CASE.gguf of golden models,
converted by llama.cpp's own convert_hf_to_gguf.py. Made with llama.cpp as the source archive of llama-cpp-python
0.3.36 carries it, its own gguf-py, numpy 2.4.6, safetensors 0.8.0, torch 2.13.0. v2_lite_kv_b.gguf is v2_lite in the form of files older
than the split of kv_b_proj, qwen3_mixed.gguf is qwen3 with matrices of several types.

    python3 tools/golden/make_gguf_golden.py OUT_DIRECTORY LLAMA_CPP_DIRECTORY
"""
import json
import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

LLAMA_CPP = pathlib.Path(sys.argv[2])
sys.path[:0] = [str(LLAMA_CPP), str(LLAMA_CPP / "gguf-py")]

import conversion  # noqa: E402
import gguf  # noqa: E402
import torch  # noqa: E402
from conversion.base import ModelBase  # noqa: E402
from gguf import GGMLQuantizationType as T  # noqa: E402
from gguf.quants import dequantize  # noqa: E402

TYPES = [T.F32, T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K,
         T.IQ4_NL, T.IQ4_XS, T.MXFP4]
# Where a block's f16 scales lie: random bytes there could be NaN, which compares unequal to itself.
SCALES_AT = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108],
             T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0]}
ROWS, COLS = 2, 512


def random_blocks(rng, dtype):
    if dtype == T.F32:
        return rng.standard_normal((ROWS, COLS), dtype=np.float32)
    if dtype == T.F16:
        return rng.standard_normal((ROWS, COLS)).astype(np.float16)
    elements, size = gguf.GGML_QUANT_SIZES[dtype]
    blocks = rng.integers(0, 256, (ROWS, COLS // elements, size), dtype=np.uint8)
    if dtype == T.BF16:
        return (rng.standard_normal((ROWS, COLS), dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16).view(
            np.uint8)
    for at in SCALES_AT.get(dtype, []):
        scale = (rng.standard_normal(blocks.shape[:2]) * 0.02).astype(np.float16)
        blocks[..., at:at + 2] = scale[..., None].view(np.uint8)
    if dtype == T.MXFP4:  # every exponent but those whose products overflow; 0 and 1 are subnormal
        blocks[..., 0] = rng.integers(0, 250, blocks.shape[:2])
        blocks[0, :2, 0] = [0, 1]
    return blocks.reshape(ROWS, -1)


def convert(case, out):
    """Runs the converter without its tokenizer step: golden models have none."""
    source = pathlib.Path("tests/golden") / case
    architecture = ModelBase.load_hparams(source, False)["architectures"][0]
    cls = conversion.get_model_class(architecture)
    cls.set_vocab = lambda self: None
    with torch.inference_mode():
        cls(source, gguf.LlamaFileType.MOSTLY_BF16, out / f"{case}.gguf").write()


def merge_kv_b(source, target):
    """The same model with attn_k_b and attn_v_b as one attn_kv_b, its heads described as they are."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "deepseek2")
    value = {name: field.contents() for name, field in reader.fields.items()}
    replaced = {"attention.key_length", "attention.value_length", "attention.key_length_mla",
                "attention.value_length_mla"}
    for name, field in reader.fields.items():
        short = name.split(".", 1)[1]
        if name.startswith("GGUF.") or name == "general.architecture" or short in replaced:
            continue
        writer.add_key_value(name, field.contents(), field.types[0],
                             sub_type=field.types[-1] if len(field.types) > 1 else None)
    writer.add_key_length(value["deepseek2.attention.key_length_mla"])
    writer.add_value_length(value["deepseek2.attention.value_length_mla"])
    numbers = {t.name: dequantize(t.data, t.tensor_type) for t in reader.tensors}
    for tensor in reader.tensors:
        if "attn_v_b" in tensor.name:
            continue
        if "attn_k_b" in tensor.name:
            keys = numbers[tensor.name].swapaxes(1, 2)
            values = numbers[tensor.name.replace("attn_k_b", "attn_v_b")]
            merged = np.concatenate([keys, values], axis=1).reshape(-1, keys.shape[-1])
            writer.add_tensor(tensor.name.replace("attn_k_b", "attn_kv_b"), merged.astype(np.float32))
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    finish(writer)


def mix_types(source, target):
    """The same model with matrices of several types: gate_proj and up_proj of two that cannot run together."""
    wanted = {"ffn_gate": T.Q8_0, "ffn_up": T.Q4_0, "attn_q": T.Q4_1, "attn_k": T.Q4_0, "attn_v": T.Q8_0,
              "token_embd": T.Q8_0}
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            writer.add_key_value(name, field.contents(), field.types[0],
                                 sub_type=field.types[-1] if len(field.types) > 1 else None)
    for tensor in reader.tensors:
        dtype = next((t for part, t in wanted.items() if f"{part}.weight" in tensor.name), None)
        numbers = dequantize(tensor.data, tensor.tensor_type)
        raw = tensor.data if dtype is None else gguf.quants.quantize(numbers, dtype)
        writer.add_tensor(tensor.name, raw, raw_dtype=tensor.tensor_type if dtype is None else dtype)
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_types(out):
    rng = np.random.default_rng(12)
    writer = gguf.GGUFWriter(out / "types.gguf", "llama")
    writer.add_string("general.name", "every type")
    writer.add_array("test.integers", [1, -2, 3])
    writer.add_array("test.words", ["", "a", "\u00e9\u00e8"])
    writer.add_array("test.numbers", [0.5, -1.25])
    writer.add_bool("test.flag", True)
    writer.add_uint64("test.large", 2**63 + 5)
    writer.add_int8("test.small", -7)
    writer.add_float64("test.double", 1e300)
    wanted = {}
    for dtype in TYPES:
        raw = random_blocks(rng, dtype)
        writer.add_tensor(f"{dtype.name}.weight", raw, raw_dtype=dtype)
        wanted[f"{dtype.name}.weight"] = np.ascontiguousarray(dequantize(raw, dtype).reshape(ROWS, COLS))
        assert np.isfinite(wanted[f"{dtype.name}.weight"]).all(), dtype.name
    finish(writer)
    save_file(wanted, out / "types.safetensors")


def make_tokenizer(out):
    """tests/golden/tokenizer/tokenizer.json as a converter would put it into the metadata."""
    source = json.loads(pathlib.Path("tests/golden/tokenizer/tokenizer.json").read_text())
    vocab = {token: i for token, i in source["model"]["vocab"].items()}
    added = {token["id"]: token for token in source["added_tokens"]}
    size = max([*vocab.values(), *added]) + 1
    tokens, types = [""] * size, [gguf.TokenType.NORMAL] * size
    for token, i in vocab.items():
        tokens[i] = token
    for i, token in added.items():
        tokens[i] = token["content"]
        types[i] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    writer = gguf.GGUFWriter(out / "tokenizer.gguf", "deepseek2")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("deepseek-v3")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in source["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{{ a template }}")
    finish(writer)


def main():
    out = pathlib.Path(sys.argv[1])
    make_types(out)
    make_tokenizer(out)
    for case in ["llama", "llama_tied", "llama_bias", "qwen2", "qwen3", "qwen3_tied", "v2_lite", "v2", "v3", "moonlight"]:
        convert(case, out)
    merge_kv_b(out / "v2_lite.gguf", out / "v2_lite_kv_b.gguf")
    mix_types(out / "qwen3.gguf", out / "qwen3_mixed.gguf")


if __name__ == "__main__":
    main()
