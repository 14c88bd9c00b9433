#!/usr/bin/env python3
"""Compares packed integer checkpoints with the `compressed-tensors` package, both ways.

    python3 tools/compare_compressed_tensors.py --fathom build/release/fathom --model DIR

DIR is a model in BF16 or F32. Needs torch, safetensors and compressed-tensors; nothing of this is needed
to build or to test.

1. fathom convert --to int8|int4, then the package decompresses: its weights must equal those that
   fathom converts back to f32.
2. The package quantises and packs, with its own scales; fathom must convert that to f32 and get the
   package's own decompressed weights.
3. Mixed models: the package reads fathom's quantization_config, and every matrix that is stored
   quantised, decompressed as the group that the config has for it, must equal fathom's f32.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import torch
from compressed_tensors.compressors import BaseCompressor, PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme
from compressed_tensors.utils import match_name
from safetensors.torch import load_file, save_file


def tensors_of(directory):
    merged = {}
    for path in sorted(pathlib.Path(directory).glob("*.safetensors")):
        merged.update(load_file(path))
    return merged


def scheme_of(bits, group):
    weights = QuantizationArgs(num_bits=bits, type="int", symmetric=True, strategy="group",
                               group_size=group)
    return QuantizationScheme(targets=["Linear"], weights=weights)


def decompressed(tensors, bits, group):
    """name -> weight, of every packed matrix; scales in f32, so that the product is exact."""
    result = {}
    for name in tensors:
        if not name.endswith(".weight_packed"):
            continue
        prefix = name.removesuffix("_packed")
        scale = tensors[prefix + "_scale"].float()
        state = {"weight_packed": tensors[name], "weight_scale": scale,
                 "weight_shape": tensors[prefix + "_shape"]}
        actual_group = -(-int(state["weight_shape"][1]) // scale.shape[1])
        scheme = scheme_of(bits, group if actual_group > 32 else 32)
        result[prefix] = PackedQuantizationCompressor.decompress(state, scheme)["weight"]
    return result


def compare(ours, theirs, what):
    assert theirs, "no packed matrices"
    for name, weight in theirs.items():
        if not torch.equal(ours[name].float(), weight.float()):
            worst = (ours[name].float() - weight.float()).abs().max().item()
            sys.exit(f"{what}: {name} differs by up to {worst}")
    print(f"{what}: {len(theirs)} matrices equal")


def pack_with_theirs(source, target, bits, group):
    tensors, config = tensors_of(source), json.loads((source / "config.json").read_text())
    out = {}
    for name, tensor in tensors.items():
        linear = name.endswith("_proj.weight") or name.endswith("_with_mqa.weight")
        if not linear or tensor.shape[1] % group != 0:
            out[name] = tensor.to(torch.bfloat16) if tensor.dim() == 2 else tensor
            continue
        weight = tensor.float()
        amax = weight.reshape(weight.shape[0], -1, group).abs().amax(-1)
        scale = (amax / ((2**bits - 1) / 2)).clamp_min(1e-8).to(torch.bfloat16)
        state = PackedQuantizationCompressor.compress(
            {"weight": weight, "weight_scale": scale.float()}, scheme_of(bits, group))
        out[name + "_packed"] = state["weight_packed"].contiguous()
        out[name + "_scale"] = scale
        out[name + "_shape"] = state["weight_shape"]
    quantization = QuantizationConfig(config_groups={"group_0": scheme_of(bits, group)},
                                      quant_method="compressed-tensors", format="pack-quantized",
                                      ignore=["lm_head"])
    config["quantization_config"] = json.loads(quantization.model_dump_json())
    config["torch_dtype"] = "bfloat16"
    target.mkdir()
    save_file(out, target / "model.safetensors", metadata={"format": "pt"})
    (target / "config.json").write_text(json.dumps(config, indent=2))


def group_of(config, module):
    """The group that names the module, else the one for all Linear; an ignored one must not be here."""
    assert not any(match_name(module, target) for target in config.ignore), module
    groups = list(config.config_groups.values())
    for group in groups:
        if any(match_name(module, target) for target in group.targets):
            return group
    return next(group for group in groups if "Linear" in group.targets)


def decompressed_mixed(directory):
    """name -> weight, of every matrix that has scales beside it."""
    quantization = json.loads((directory / "config.json").read_text())["quantization_config"]
    config = QuantizationConfig.model_validate(quantization)
    modules = {}
    for name, tensor in tensors_of(directory).items():
        module, _, kind = name.rpartition(".")
        modules.setdefault(module, {})[kind] = tensor
    result = {}
    for module, state in modules.items():
        if "weight_scale" not in state:
            continue
        state["weight_scale"] = state["weight_scale"].float()  # so that the product is exact
        group = group_of(config, module)
        compressor = BaseCompressor.get_value_from_registry(getattr(group.format, "value", group.format))
        result[module + ".weight"] = compressor.decompress(state, group)["weight"]
    return result


def compare_mixed(convert, model, *types):
    work = pathlib.Path(tempfile.mkdtemp())
    try:
        convert(model, work / "ours", *types)
        convert(work / "ours", work / "ours_f32", "--to", "f32")
        compare(tensors_of(work / "ours_f32"), decompressed_mixed(work / "ours"), " ".join(types))
    finally:
        shutil.rmtree(work)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fathom", required=True)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    args = parser.parse_args()

    def convert(source, target, *options):
        subprocess.run([args.fathom, "convert", source, target, "--no-check", *options], check=True,
                       stdout=subprocess.DEVNULL)

    for types in [("--to", "fp8", "--experts", "int4"), ("--to", "int8", "--experts", "int4"),
                  ("--to", "bf16", "--experts", "int4"),
                  ("--to", "int4", "--attention", "fp8", "--shared-experts", "bf16")]:
        compare_mixed(convert, args.model, *types)
    for bits, group in [(8, 32), (8, 128), (4, 32), (4, 128)]:
        work = pathlib.Path(tempfile.mkdtemp())
        try:
            convert(args.model, work / "ours", "--to", f"int{bits}", "--group-size", str(group))
            convert(work / "ours", work / "ours_f32", "--to", "f32")
            compare(tensors_of(work / "ours_f32"), decompressed(tensors_of(work / "ours"), bits, group),
                    f"INT{bits} in groups of {group}, packed by fathom")
            pack_with_theirs(args.model, work / "theirs", bits, group)
            convert(work / "theirs", work / "theirs_f32", "--to", "f32")
            compare(tensors_of(work / "theirs_f32"),
                    decompressed(tensors_of(work / "theirs"), bits, group),
                    f"INT{bits} in groups of {group}, packed by compressed-tensors")
        finally:
            shutil.rmtree(work)


if __name__ == "__main__":
    main()
