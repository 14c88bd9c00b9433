"""What a golden notices: how far the logits move when one line of the config is read wrongly."""

from pathlib import Path

import torch

import make_golden_run as run
from hf_checkpoint import load_model
from make_golden_cases import Case


def _plain_softmax_scale(model) -> bool:
    """The softmax scale without mscale^2; false where that changes nothing."""
    changed = False
    for layer in model.model.layers:
        if hasattr(layer.self_attn, "qk_head_dim"):
            plain = layer.self_attn.qk_head_dim**-0.5
            changed |= layer.self_attn.scaling != plain
            layer.self_attn.scaling = plain
    return changed


def _other_eps_in_latent_norms(model) -> bool:
    norms = [m for name, m in model.named_modules() if name.endswith("kv_a_layernorm")]
    for norm in norms:
        norm.variance_epsilon = 1e-5
    return bool(norms)


def _no_bias(model) -> bool:
    buffers = model.named_buffers()
    biases = [b for name, b in buffers if name.endswith("e_score_correction_bias")]
    for bias in biases:
        bias.zero_()
    return bool(biases)


_EDITS = {
    "no mscale^2 in the softmax scale": _plain_softmax_scale,
    "kv_a_layernorm eps 1e-5": _other_eps_in_latent_norms,
    "e_score_correction_bias 0": _no_bias,
}


def sensitivity(case: Case, directory: Path, ids: torch.Tensor, logits: torch.Tensor) -> dict:
    """Relative change of the logits for each wrong reading; each must be far above 1e-4."""
    results = {}
    for label, edit in _EDITS.items():
        model, _ = load_model(directory)
        if edit(model):
            results[label] = run.relative_error(run.forward(model, ids)[0], logits)
    for label, overrides in case.mutations.items():
        model, _ = load_model(directory, overrides=overrides)
        results[label] = run.relative_error(run.forward(model, ids)[0], logits)
    return results
