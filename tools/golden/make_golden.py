#!/usr/bin/env python3
"""Makes tests/golden: tiny random checkpoints and what transformers computes from them.

    python tools/golden/make_golden.py                 every case
    python tools/golden/make_golden.py --case v3       one case
    python tools/golden/make_golden.py --search v3     looks for a seed without near ties

Each case is a Hugging Face directory (config.json, model.safetensors) plus golden.safetensors;
tests/golden/README.md explains its tensors. The figures go to versions.json and the README's table.
"""

import argparse
import json
import platform
import tempfile
from pathlib import Path

import safetensors
import torch
import transformers
from safetensors.torch import save_file

import make_golden_run as run
from hf_checkpoint import load_model
from make_golden_cases import CASES, Case
from make_golden_sensitivity import sensitivity
from make_golden_weights import draw_weights

GOLDEN_DIR = Path(__file__).resolve().parents[2] / "tests" / "golden"
TABLE_BEGIN, TABLE_END = "<!-- written by make_golden.py -->", "<!-- end -->"
PROMPT_TOKENS = 8
GREEDY_STEPS = 64
MIN_GREEDY_MARGIN = 1e-3  # of the largest |logit|; parity is asked for to 1e-4
MIN_ROUTING_MARGIN = 1e-4  # in units of a score, ~100 times F32 rounding
MIN_ROUNDING_MARGIN = 2e-6  # relative; activations quantised to E4M3 must not round either way
MIN_DISTINCT_TOKENS = 12


# ------------------------------------------------------------------------------------------ writing


def _save_sharded(weights: dict, directory: Path, shards: int) -> None:
    """Splits the tensors into `shards` files by order, with the index that names them."""
    names = list(weights)
    weight_map = {name: min(i * shards // len(names), shards - 1) for i, name in enumerate(names)}
    files = {i: f"model-{i + 1:05d}-of-{shards:05d}.safetensors" for i in range(shards)}
    for i, file in files.items():
        part = {name: weights[name] for name in names if weight_map[name] == i}
        save_file(part, directory / file, metadata={"format": "pt"})
    total = sum(t.numel() * t.element_size() for t in weights.values())
    index = {
        "metadata": {"total_size": total},
        "weight_map": {name: files[i] for name, i in weight_map.items()},
    }
    (directory / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def write_checkpoint(case: Case, seed: int, directory: Path) -> dict[str, torch.Tensor]:
    """config.json and the weights as a published checkpoint has them; returns what was stored."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.safetensors*"):
        old.unlink()
    config = dict(sorted(case.config.items()))
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = draw_weights(case, seed)
    if case.fp8:
        weights = run.quantise_weights(weights)
    if case.shards == 1:
        save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    else:
        _save_sharded(weights, directory, case.shards)
    return weights


def draw_ids(case: Case, seed: int) -> torch.Tensor:
    """input_ids [T], never the begin or end token."""
    generator = torch.Generator().manual_seed(seed + 1_000_000)
    return torch.randint(2, case.config["vocab_size"], (case.tokens,), generator=generator)


# ----------------------------------------------------------------------------------- running a case


def load_checked(directory: Path, dtype=torch.float32):
    """The model; fails if transformers missed a tensor or did not know one, MTP layers excepted."""
    model, info = load_model(directory, dtype)
    extra = f"model.layers.{model.config.num_hidden_layers}."
    unknown = [name for name in info["unexpected_keys"] if not name.startswith(extra)]
    if info["missing_keys"] or unknown or info["mismatched_keys"]:
        raise RuntimeError(f"{directory}: missing {info['missing_keys']}, unexpected {unknown}")
    return model


def _routing_margin(model, ids: torch.Tensor) -> float:
    _, seen = run.forward(model, ids)
    gates = {i: model.model.layers[i].mlp.gate for i in seen.routing}
    margins = [run.routing_margin(gates[i], seen.routing[i], model.config) for i in gates]
    return min(margins, default=float("inf"))


def _flips(routing: dict, other: dict) -> int:
    """Number of (layer, token) whose chosen experts differ."""
    pairs = [(run.sorted_choice(routing[i])[0], run.sorted_choice(other[i])[0]) for i in routing]
    return sum((a != b).any(dim=-1).sum().item() for a, b in pairs)


def _base_tensors(model, directory: Path, ids: torch.Tensor) -> tuple[dict, dict]:
    """The tensors every case has, and the run's figures."""
    logits, seen = run.forward(model, ids)
    logits_bf16, seen_bf16 = run.forward(load_checked(directory, torch.bfloat16), ids)
    greedy_ids, margins = run.greedy(model, ids[:PROMPT_TOKENS], GREEDY_STEPS)
    tensors = {
        "input_ids": ids,
        "logits": logits,
        "logits_bf16": logits_bf16,
        "greedy_prompt_ids": ids[:PROMPT_TOKENS].clone(),
        "greedy_ids": greedy_ids,
        "greedy_margins": margins,
        "layers.0.self_attn.output": seen.attention_output[0],
    }
    for i, out in seen.layer_outputs.items():
        tensors[f"layers.{i}.output"] = out[0] if out.dim() == 3 else out
    for i, routing in seen.routing.items():
        indices, weights = run.sorted_choice(routing)
        tensors[f"layers.{i}.topk_indices"] = indices.to(torch.int32)
        tensors[f"layers.{i}.topk_weights"] = weights
    everything = torch.cat([ids[:PROMPT_TOKENS], greedy_ids])
    figures = {
        "max_abs_logit": logits.abs().max().item(),
        "min_greedy_margin": margins.min().item(),
        "distinct_greedy_tokens": len(greedy_ids.unique()),
        "min_routing_margin": min(_routing_margin(model, ids), _routing_margin(model, everything)),
        "bf16_relative_error": run.relative_error(logits_bf16, logits),
        "bf16_routing_flips": _flips(seen.routing, seen_bf16.routing),
    }
    return tensors, figures


def _fp8_tensors(
    model, weights: dict, ids: torch.Tensor, logits: torch.Tensor
) -> tuple[dict, dict]:
    """Logits with activations quantised online, and how far the same recipe in F64 lands."""
    names = {name for name, t in weights.items() if t.dtype == torch.float8_e4m3fn}
    variants = {
        "logits_act_fp8": {},
        "logits_act_fp8_ue8m0": {"power_of_two": True},
        "logits_act_fp8_absorbed": {"quantise_kv_b": False},
    }
    tensors, figures = {}, {}
    for name, arguments in variants.items():
        with run.quantised_activations(model, names, **arguments) as margins:
            tensors[name], _ = run.forward(model, ids)
        figures[name + "_rounding_margin"] = min(margins)
        figures[name + "_vs_logits"] = run.relative_error(tensors[name], logits)
        with run.quantised_activations(model.double(), names, **arguments):
            in_f64, _ = run.forward(model, ids)
        model.float()
        figures[name + "_f32_vs_f64"] = run.relative_error(tensors[name], in_f64)
    return tensors, figures


def compute(name: str, case: Case, seed: int, directory: Path) -> tuple[dict, dict]:
    """Writes the checkpoint, loads it with transformers; returns (golden tensors, figures)."""
    weights = write_checkpoint(case, seed, directory)
    ids = draw_ids(case, seed)
    model = load_checked(directory)
    tensors, figures = _base_tensors(model, directory, ids)
    if case.config.get("topk_method") == "noaux_tc":
        with run.masked_groups_filled_with_zero(model):
            zero_filled, seen = run.forward(model, ids)
        figures["masked_with_zero_relative_error"] = run.relative_error(
            zero_filled, tensors["logits"]
        )
        if name == "v3_masked_groups":
            tensors["logits_masked_zero"] = zero_filled
            indices, _ = run.sorted_choice(seen.routing[0])
            tensors["layers.0.topk_indices_masked_zero"] = indices.to(torch.int32)
    if case.fp8:
        more, more_figures = _fp8_tensors(model, weights, ids, tensors["logits"])
        tensors, figures = tensors | more, figures | more_figures
    if case.config.get("num_nextn_predict_layers"):
        tensors["mtp_logits"], tensors["mtp_output"], margin = run.mtp_logits(model, directory, ids)
        figures["min_routing_margin"] = min(figures["min_routing_margin"], margin)
    return tensors, figures


def is_well_posed(name: str, figures: dict, greedy_ids: torch.Tensor) -> bool:
    rounding_margins = [x for label, x in figures.items() if label.endswith("_rounding_margin")]
    zero_fill_matters = figures.get("masked_with_zero_relative_error", 0.0) > 0.0
    return (
        figures["min_greedy_margin"] >= MIN_GREEDY_MARGIN
        and figures["min_routing_margin"] >= MIN_ROUTING_MARGIN
        and figures["distinct_greedy_tokens"] >= MIN_DISTINCT_TOKENS
        and CASES[name].config["eos_token_id"] not in greedy_ids.tolist()
        and all(margin >= MIN_ROUNDING_MARGIN for margin in rounding_margins)
        and zero_fill_matters == (name == "v3_masked_groups")
    )


def search(name: str, first: int, count: int) -> None:
    """Prints the well-posed seeds and how often BF16 changes their routing."""
    case = CASES[name]
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(first, first + count):
            tensors, figures = compute(name, case, seed, Path(scratch))
            if is_well_posed(name, figures, tensors["greedy_ids"]):
                print(name, "seed", seed, json.dumps(figures), flush=True)


# ----------------------------------------------------------------------------------- a checked case


def _sizes(directory: Path) -> dict[str, int]:
    """Bytes of each file, which safetensors leaves readable by the owner alone until here."""
    for path in directory.iterdir():
        path.chmod(0o644)
    return {path.name: path.stat().st_size for path in sorted(directory.iterdir())}


def make(name: str) -> dict:
    """Writes one case and checks it: well-posed, read back identically; returns its figures."""
    case, directory = CASES[name], GOLDEN_DIR / name
    tensors, figures = compute(name, case, case.seed, directory)
    if not is_well_posed(name, figures, tensors["greedy_ids"]):
        raise RuntimeError(f"{name}: seed {case.seed} has near ties, run --search: {figures}")
    again, _ = run.forward(load_checked(directory), tensors["input_ids"])
    if not torch.equal(again, tensors["logits"]):
        raise RuntimeError(f"{name}: a second load gives other logits")
    tensors = {key: value.contiguous() for key, value in tensors.items()}
    save_file(tensors, directory / "golden.safetensors")
    if figures["min_routing_margin"] == float("inf"):
        del figures["min_routing_margin"]  # a dense model routes nothing
    changes = sensitivity(case, directory, tensors["input_ids"], tensors["logits"])
    return (
        {"about": case.about, "seed": case.seed}
        | figures
        | {
            "relative_change_of_logits_when": changes,
            "bytes": _sizes(directory),
        }
    )


def _table_row(name: str, record: dict) -> str:
    least = min(record["relative_change_of_logits_when"].items(), key=lambda item: item[1])
    routing = record.get("min_routing_margin")
    cells = [
        name,
        f"{sum(record['bytes'].values()) / 1000:.0f}",
        str(record["seed"]),
        f"{record['max_abs_logit']:.2f}",
        f"{record['min_greedy_margin']:.1e}",
        f"{routing:.1e}" if routing else "-",
        f"{record['bf16_relative_error']:.1e}",
        f"{least[1]:.1e} ({least[0]})",
    ]
    return "| " + " | ".join(cells) + " |"


def write_table(record: dict) -> None:
    """Replaces the README's lines between the two markers."""
    path = GOLDEN_DIR / "README.md"
    head, rest = path.read_text().split(TABLE_BEGIN)
    tail = rest.split(TABLE_END)[1]
    made_with = ", ".join(f"{name} {version}" for name, version in record["made_with"].items())
    titles = [
        "case",
        "kB",
        "seed",
        "max abs logit",
        "greedy margin",
        "routing margin",
        "BF16 error",
    ]
    lines = [
        f"Made with {made_with}.",
        "",
        "| " + " | ".join([*titles, "smallest change noticed"]) + " |",
        "|---" * (len(titles) + 1) + "|",
        *(_table_row(name, case) for name, case in record["cases"].items()),
    ]
    path.write_text(head + TABLE_BEGIN + "\n".join(["", *lines, ""]) + TABLE_END + tail)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--case", choices=CASES, action="append", help="default: every case")
    parser.add_argument("--search", choices=CASES, help="print well-posed seeds of a case")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=100)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    if arguments.search:
        search(arguments.search, arguments.first_seed, arguments.seeds)
        return
    path = GOLDEN_DIR / "versions.json"
    record = json.loads(path.read_text()) if path.exists() else {"cases": {}}
    record["made_with"] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "safetensors": safetensors.__version__,
    }
    for name in arguments.case or CASES:
        record["cases"][name] = make(name)
        print(name, json.dumps(record["cases"][name], indent=1), flush=True)
    record["cases"] = {name: record["cases"][name] for name in CASES if name in record["cases"]}
    path.write_text(json.dumps(record, indent=1) + "\n")
    write_table(record)


if __name__ == "__main__":
    main()
