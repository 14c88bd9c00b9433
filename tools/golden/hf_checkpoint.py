"""Loads a Hugging Face directory into transformers on the CPU, FP8 weights dequantised first.

transformers' own FP8 path needs a GPU; multiplying each 128x128 block by its `weight_scale_inv` in
F32 gives the numbers that path stands for, and works with every version of transformers.
"""

import json
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

BLOCK = 128


def major_version() -> int:
    return int(transformers.__version__.split(".")[0])


def read_tensors(directory: Path) -> dict[str, torch.Tensor]:
    """All tensors of a directory, one file or sharded with an index."""
    index = directory / "model.safetensors.index.json"
    files = ["model.safetensors"]
    if index.exists():
        files = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    tensors = {}
    for file in files:
        tensors |= load_file(directory / file)
    return tensors


def expand_scales(scale: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """[ceil(out/128), ceil(in/128)] -> [out, in], ragged edges trimmed."""
    rows = scale.repeat_interleave(BLOCK, dim=0)[: shape[0]]
    return rows.repeat_interleave(BLOCK, dim=1)[:, : shape[1]]


def dequantise(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """FP8 weights become F32 (q * weight_scale_inv), scales are dropped, the rest is unchanged."""
    result = {}
    for name, tensor in tensors.items():
        if name.endswith(".weight_scale_inv"):
            continue
        if tensor.dtype == torch.float8_e4m3fn:
            scale = tensors[name + "_scale_inv"].to(torch.float32)
            tensor = tensor.to(torch.float32) * expand_scales(scale, tensor.shape)
        result[name] = tensor
    return result


def _from_pretrained(directory: Path, dtype: torch.dtype) -> tuple[torch.nn.Module, dict]:
    arguments = {"attn_implementation": "eager", "output_loading_info": True}
    if major_version() >= 5:
        arguments |= {"dtype": dtype}
    else:
        arguments |= {"torch_dtype": dtype}
    return transformers.AutoModelForCausalLM.from_pretrained(directory, **arguments)


def load_model(directory: Path, dtype: torch.dtype = torch.float32, overrides: dict | None = None):
    """(model in eval mode, loading info) of a directory, with some config keys replaced on request.

    Goes through a temporary directory when the weights are FP8 or the config is edited.
    """
    directory = Path(directory)
    config = json.loads((directory / "config.json").read_text())
    if overrides is None and "quantization_config" not in config:
        model, info = _from_pretrained(directory, dtype)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            config.pop("quantization_config", None)
            edited = json.dumps(config | (overrides or {}))
            (Path(scratch) / "config.json").write_text(edited)
            tensors = dequantise(read_tensors(directory))
            save_file(tensors, Path(scratch) / "model.safetensors", metadata={"format": "pt"})
            model, info = _from_pretrained(Path(scratch), dtype)
    if hasattr(model, "set_experts_implementation") and model._can_set_experts_implementation():
        model.set_experts_implementation("eager")
    return model.eval(), info
