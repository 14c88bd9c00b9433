#!/usr/bin/env python3
"""Does `fathom inspect --quantization` measure what PyTorch's FP8 types do?

Makes a small model whose matrices are normal, heavy-tailed (Student's t with two degrees of freedom)
or heavy-tailed with zeros and tiny numbers, measures it with fathom, and quantises every matrix again
with torch.float8_e4m3fn, torch.float8_e5m2 and torch.bfloat16 (E5M6, which PyTorch lacks, by frexp).
For each tensor and scheme the numbers that became zero, saturated or subnormal must be the same
count, and the errors agree to 1e-5. `fathom convert --to fp8` must store the very bytes that PyTorch's
conversion gives. Prints what the schemes did to the normal and the heavy-tailed matrices.

    tools/compare_quantization.py --fathom build/release/fathom

Needs torch and safetensors. Exit 0 if all agree.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parent.parent
STATIC = 0.05
LARGEST = {"e4m3": 448.0, "e5m2": 57344.0, "e5m6": 129024.0}
LEAST_NORMAL = {"e4m3": 2.0**-6, "e5m2": 2.0**-14, "e5m6": 2.0**-14, "bf16": 2.0**-126}
TOLERANCE = 1e-5
# Over configs/models/nano.json: rows of several tiles, and few enough matrices to measure each in a moment.
SHAPE = {"num_hidden_layers": 3, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1,
         "vocab_size": 2048, "hidden_size": 256, "intermediate_size": 768, "moe_intermediate_size": 128,
         "q_lora_rank": 96, "kv_lora_rank": 64}
DISTRIBUTIONS = ("normal", "heavy-tailed", "awkward")


def make_model(fathom, directory):
    """A small model in F32. -> its tensors, and the distribution of each matrix."""
    config = json.loads((ROOT / "configs/models/nano.json").read_text())
    config.update(SHAPE)
    source = directory.with_name("config.json")
    source.write_text(json.dumps(config))
    subprocess.run([fathom, "init", "--config", source, "--out", directory], check=True, capture_output=True)
    tensors = load_file(directory / "model.safetensors")
    torch.manual_seed(20241227)
    student = torch.distributions.StudentT(2.0)
    distribution = {}
    for place, (name, tensor) in enumerate(sorted(tensors.items())):
        tensor = tensor.float()
        if tensor.dim() == 2:
            distribution[name] = DISTRIBUTIONS[place % 3]
            normal = distribution[name] == "normal"
            tensor = 0.02 * (torch.randn(tensor.shape) if normal else student.sample(tensor.shape)).float()
            if distribution[name] == "awkward":
                tensor.view(-1)[::13] *= 2.0**-12
                tensor.view(-1)[::101] = 0.0
        tensors[name] = tensor.contiguous()
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    return tensors, distribution


def round_to(number_format, v):
    """v in f32, rounded with PyTorch's own types; saturated before, as PyTorch's conversion is not."""
    if number_format == "bf16":
        return v.to(torch.bfloat16).float()
    v = v.clamp(-LARGEST[number_format], LARGEST[number_format])
    if number_format == "e4m3":
        return v.to(torch.float8_e4m3fn).float()
    if number_format == "e5m2":
        return v.to(torch.float8_e5m2).float()
    exponent = (torch.frexp(v.double())[1] - 1).clamp(min=-14)
    step = torch.ldexp(torch.ones_like(v, dtype=torch.float64), exponent - 6)
    return (torch.round(v.double() / step) * step).clamp(-LARGEST["e5m6"], LARGEST["e5m6"]).float()


def saturates(number_format, v):
    """Beyond the middle of the largest number and the next of the grid; E5M2's tie goes up."""
    if number_format == "bf16":
        return torch.zeros_like(v, dtype=torch.bool)
    if number_format == "e5m2":
        return v.abs() >= 61440.0
    return v.abs() > {"e4m3": 464.0, "e5m6": 129536.0}[number_format]


def spread(blocks, rows, cols):
    """One value a 128x128 or 1x128 group, repeated to [rows, cols]."""
    if blocks.shape[0] != rows:
        blocks = blocks.repeat_interleave(128, 0)[:rows]
    return blocks.repeat_interleave(128, 1)[:, :cols]


def amax_of(x, scaling):
    rows, cols = x.shape
    if scaling == "static":
        return torch.full_like(x, STATIC)
    if scaling == "tensor":
        return x.abs().max().expand(rows, cols)
    if scaling == "channel":
        return x.abs().amax(1, keepdim=True).expand(rows, cols)
    padded = torch.zeros((rows + 127) // 128 * 128, (cols + 127) // 128 * 128)
    padded[:rows, :cols] = x.abs()
    tiles = padded.unflatten(1, (-1, 128)).amax(2)
    if scaling == "tile":
        return spread(tiles[:rows], rows, cols)
    return spread(tiles.unflatten(0, (-1, 128)).amax(1), rows, cols)


def scale_of(x, number_format, scaling, power_of_2):
    scale = amax_of(x, scaling).clamp(min=1e-4) / LARGEST[number_format]
    if not power_of_2:
        return scale
    mantissa, exponent = torch.frexp(scale)  # scale = mantissa 2^exponent, mantissa in [1/2, 1)
    return torch.ldexp(torch.ones_like(scale), exponent - (mantissa == 0.5).int())


def measure(x, scheme):
    number_format, *rest = scheme.split("-")
    if number_format == "bf16":
        scale = torch.ones_like(x)
    else:
        scale = scale_of(x, number_format, rest[0], "pow2" in rest or number_format == "e5m6")
    v = x / scale
    rounded = round_to(number_format, v)
    error = (x.double() - rounded.double() * scale.double()).abs()
    some = x != 0
    count = some.sum().item()
    least = LEAST_NORMAL[number_format]
    return {
        "mean_abs_error": error.mean().item(),
        "mean_relative_error": (error[some] / x.double().abs()[some]).sum().item() / count,
        "rms_error": (error.square().sum() / x.double().square().sum()).sqrt().item(),
        "clamp_rate": saturates(number_format, v).sum().item() / count,
        "underflow_rate": (some & (rounded == 0)).sum().item() / count,
        "subnormal_rate": ((rounded != 0) & (rounded.abs() < least)).sum().item() / count,
    }


def print_table(study, distribution):
    """Means over the numbers of all matrices of a distribution."""
    for kind in DISTRIBUTIONS[:2]:
        print(f"{kind + ' matrices':<20} {'|x-q|/|x|':>10} {'rms':>10} {'to zero':>10}")
        entries = [entry for entry in study["tensors"] if distribution[entry["name"]] == kind]
        numbers = sum(entry["numbers"] for entry in entries)
        for scheme in study["schemes"]:
            mean = [sum(entry["schemes"][scheme][key] * entry["numbers"] for entry in entries) / numbers
                    for key in ("mean_relative_error", "rms_error", "underflow_rate")]
            print(f"  {scheme:<18} " + " ".join(f"{100 * value:8.3g} %" for value in mean))


def compare_errors(fathom, directory, tensors, distribution):
    answer = subprocess.run([fathom, "inspect", "--quantization", directory, "--json", "--static-amax", str(STATIC)],
                            check=True, capture_output=True, text=True)
    study = json.loads(answer.stdout)
    worst, differ = {}, 0
    for entry in study["tensors"]:
        for scheme in study["schemes"]:
            want, got = measure(tensors[entry["name"]], scheme), entry["schemes"][scheme]
            for key, value in want.items():
                difference = abs(got[key] - value) / value if value else abs(got[key])
                worst[key] = max(worst.get(key, 0.0), difference)
                if difference > (TOLERANCE if "error" in key else 0.0):
                    differ += 1
                    print(f"{entry['name']}, {scheme}: {key} {got[key]}, PyTorch {value}")
    print_table(study, distribution)
    print(f"{len(study['tensors'])} tensors, {len(study['schemes'])} schemes; largest relative difference: "
          + ", ".join(f"{key} {value:.1e}" for key, value in worst.items()))
    return differ


def compare_bytes(fathom, directory, tensors):
    """The stored E4M3 matrices of `fathom convert`, and their 128x128 scales."""
    differ, numbers = 0, 0
    for flags in ([], ["--ue8m0"]):
        out = directory.with_name("fp8" + "".join(flags).replace("--", "-"))
        subprocess.run([fathom, "convert", directory, out, "--to", "fp8", "--no-check", *flags],
                       check=True, capture_output=True)
        stored = load_file(out / "model.safetensors")
        for name, q in stored.items():
            if q.dtype != torch.float8_e4m3fn:
                continue
            x = tensors[name]
            scale = scale_of(x, "e4m3", "block", bool(flags))
            want = (x / scale).clamp(-448.0, 448.0).to(torch.float8_e4m3fn)
            same_scale = torch.equal(spread(stored[name + "_scale_inv"], *x.shape), scale)
            wrong = (q.view(torch.uint8) != want.view(torch.uint8)).sum().item()
            numbers += q.numel()
            if wrong or not same_scale:
                differ += 1
                print(f"{name}: {wrong} bytes differ, scales {'equal' if same_scale else 'differ'}")
    print(f"{numbers} stored E4M3 numbers compared byte by byte")
    return differ


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fathom", required=True, type=pathlib.Path)
    fathom = parser.parse_args().fathom.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary) / "model"
        tensors, distribution = make_model(fathom, directory)
        differ = compare_errors(fathom, directory, tensors, distribution)
        differ += compare_bytes(fathom, directory, tensors)
    print(f"torch {torch.__version__}: " + ("all agree" if differ == 0 else f"{differ} differ"))
    return 0 if differ == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
