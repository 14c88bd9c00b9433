"""Runs transformers on a golden case: logits, layer outputs, routing, greedy decoding, MTP, FP8."""

from contextlib import contextmanager
from pathlib import Path

import torch
from transformers.modeling_layers import MtpModel

from hf_checkpoint import BLOCK, expand_scales

FP8_MAX = 448.0
NOT_FP8 = ("embed_tokens", "lm_head", "norm", "mlp.gate.", "eh_proj", "shared_head")


# ------------------------------------------------------------------------------------- forward pass


class Recorder:
    """Keeps each decoder layer's output, layer 0's attention output and each router's answer."""

    def __init__(self, model):
        self.layer_outputs, self.attention_output, self.routing = {}, None, {}
        self._handles = []
        for index, layer in enumerate(model.model.layers):
            self._add(layer, lambda out, i=index: self.layer_outputs.__setitem__(i, out))
            if hasattr(layer.mlp, "gate"):
                self._add(layer.mlp.gate, lambda out, i=index: self.routing.__setitem__(i, out))
        self._add(
            model.model.layers[0].self_attn, lambda out: setattr(self, "attention_output", out[0])
        )

    def _add(self, module, keep):
        self._handles.append(module.register_forward_hook(lambda _module, _in, out: keep(out)))

    def close(self):
        for handle in self._handles:
            handle.remove()


@torch.no_grad()
def forward(model, ids: torch.Tensor) -> tuple[torch.Tensor, Recorder]:
    """logits [T, vocab] in the model's dtype, and what the hooks saw."""
    recorder = Recorder(model)
    logits = model(input_ids=ids[None], use_cache=False).logits[0]
    recorder.close()
    return logits, recorder


def relative_error(got: torch.Tensor, want: torch.Tensor) -> float:
    """max |got - want| / max |want|."""
    return ((got.double() - want.double()).abs().max() / want.double().abs().max()).item()


@torch.no_grad()
def greedy(model, prompt: torch.Tensor, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids [steps], margins [steps]); margin = (top1 - top2) / max |logit|. No cache."""
    ids, margins = prompt.clone(), []
    for _ in range(steps):
        logits = model(input_ids=ids[None], use_cache=False).logits[0, -1]
        best = logits.topk(2)
        margins.append((best.values[0] - best.values[1]) / logits.abs().max())
        ids = torch.cat([ids, best.indices[:1]])
    return ids[len(prompt) :], torch.stack(margins)


# ------------------------------------------------------------------------------------------ routing


def sorted_choice(routing) -> tuple[torch.Tensor, torch.Tensor]:
    """(expert ids [T, K] ascending, their weights [T, K]) of a router's answer."""
    _, weights, indices = routing
    order = indices.argsort(dim=-1)
    return indices.gather(1, order), weights.gather(1, order)


def _gap(scores: torch.Tensor, kept: int) -> torch.Tensor:
    """Distance between the last kept and the first dropped of each row; inf if none is dropped."""
    if kept >= scores.shape[-1]:
        return torch.full(scores.shape[:-1], float("inf"))
    best = scores.topk(kept + 1, dim=-1).values
    return best[..., kept - 1] - best[..., kept]


def routing_margin(gate, routing, config) -> float:
    """Smallest distance by which a group or an expert was chosen, over the tokens.

    It follows the reference, not transformers' code: it only tells which seeds make near ties.
    """
    router_logits = routing[0]
    sigmoid = hasattr(gate, "e_score_correction_bias")
    scores = (
        router_logits.sigmoid() + gate.e_score_correction_bias
        if sigmoid
        else router_logits.softmax(-1)
    )
    margins = [scores.new_tensor(float("inf"))]
    if getattr(config, "n_group", None) and config.n_group > 1 and config.topk_method != "greedy":
        grouped = scores.view(scores.shape[0], config.n_group, -1)
        group_scores = grouped.topk(2, dim=-1).values.sum(-1) if sigmoid else grouped.max(-1).values
        margins.append(_gap(group_scores, config.topk_group).min())
        dropped = group_scores < group_scores.topk(config.topk_group, dim=-1).values[:, -1:]
        scores = grouped.masked_fill(dropped[..., None], float("-inf")).flatten(1)
    margins.append(_gap(scores, config.num_experts_per_tok).min())
    return min(margins).item()


@contextmanager
def masked_groups_filled_with_zero(model):
    """Runs the model's own router code, but with dropped groups filled with 0.0 instead of -inf."""
    original = torch.Tensor.masked_fill

    def fill(self, mask, value):
        return original(self, mask, 0.0 if value == float("-inf") else value)

    def patched(gate, forward):
        def run(*arguments, **keywords):
            torch.Tensor.masked_fill = fill
            try:
                return forward(*arguments, **keywords)
            finally:
                torch.Tensor.masked_fill = original

        gate.forward = run

    gates = [layer.mlp.gate for layer in model.model.layers if hasattr(layer.mlp, "gate")]
    for gate in gates:
        patched(gate, gate.forward)
    try:
        yield
    finally:
        for gate in gates:
            del gate.forward


# ---------------------------------------------------------------------------------------------- FP8


def quantise_weights(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Linear weights to F8_E4M3 with F32 scales [ceil(out/128), ceil(in/128)] = amax / 448."""
    result = {}
    for name, weight in weights.items():
        if weight.dim() != 2 or any(part in name for part in NOT_FP8):
            result[name] = weight
            continue
        rows, cols = (-(-size // BLOCK) for size in weight.shape)
        padded = torch.zeros(rows * BLOCK, cols * BLOCK)
        padded[: weight.shape[0], : weight.shape[1]] = weight.float()
        scale = padded.view(rows, BLOCK, cols, BLOCK).abs().amax(dim=(1, 3)) / FP8_MAX
        result[name] = (weight.float() / expand_scales(scale, weight.shape)).to(torch.float8_e4m3fn)
        result[name + "_scale_inv"] = scale
    return result


def _rounding_margin(scaled: torch.Tensor) -> float:
    """Smallest distance from a midpoint between two E4M3 values, relative to the value."""
    magnitude = scaled.abs().clamp_max(FP8_MAX)
    step = torch.exp2(torch.floor(torch.log2(magnitude.clamp_min(2.0**-6))) - 3)
    from_midpoint = ((magnitude / step) % 1.0 - 0.5).abs() * step
    return (from_midpoint / magnitude.clamp_min(2.0**-6)).min().item()


def quantise_activations(x: torch.Tensor, power_of_two: bool, margins: list) -> torch.Tensor:
    """x [..., in] to E4M3 and back per 1x128 tile; s = max(amax, 1e-4) / 448 or the 2^k above."""
    tiles = -(-x.shape[-1] // BLOCK)
    padded = torch.nn.functional.pad(x, (0, tiles * BLOCK - x.shape[-1]))
    padded = padded.unflatten(-1, (tiles, BLOCK))
    scale = padded.abs().amax(dim=-1, keepdim=True).clamp_min(1e-4) / FP8_MAX
    if power_of_two:
        scale = torch.exp2(torch.ceil(torch.log2(scale)))
    margins.append(_rounding_margin(padded / scale))
    quantised = (padded / scale).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn)
    return (quantised.to(x.dtype) * scale).flatten(-2)[..., : x.shape[-1]]


def _fp8_storages(model, fp8_names: set[str], expand_kv_b: bool) -> set[int]:
    """Storage addresses of the parameters that were FP8 on disk; stacked experts count as one."""
    modules = {name.removesuffix(".weight").split(".")[-1] for name in fp8_names} | {"gate_up_proj"}
    if not expand_kv_b:
        modules.remove("kv_b_proj")
    found = set()
    for name, parameter in model.named_parameters():
        parts = name.removesuffix(".weight").split(".")
        if parts[-1] in modules and parameter.dim() >= 2:
            found.add(parameter.untyped_storage().data_ptr())
    return found


@contextmanager
def quantised_activations(model, fp8_names: set[str], power_of_two=False, quantise_kv_b=True):
    """Every linear layer whose weight is FP8 on disk sees its input quantised per 1x128 tile.

    Yields a list that collects how near each call came to rounding the other way.
    """
    margins = []
    storages = _fp8_storages(model, fp8_names, quantise_kv_b)
    original = torch.nn.functional.linear

    def linear(x, weight, bias=None):
        if weight.untyped_storage().data_ptr() in storages:
            x = quantise_activations(x, power_of_two, margins)
        return original(x, weight, bias)

    torch.nn.functional.linear = linear
    try:
        yield margins
    finally:
        torch.nn.functional.linear = original


# ---------------------------------------------------------------------------------------------- MTP


@torch.no_grad()
def mtp_logits(
    model, directory: Path, ids: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """(logits [T-1, vocab], output [T-1, hidden] after shared_head.norm, routing margin).

    Position i gets the embedding of token i+1 and the hidden state i after the main final norm.
    transformers finds the module's tensors by a list of ignored names that knows layer 61 only.
    """
    layer = model.config.num_hidden_layers
    model._keys_to_ignore_on_load_unexpected = {rf"model\.layers\.{layer}.*"}
    model.config.name_or_path = str(directory)
    mtp = MtpModel.from_pretrained(model).eval()
    mtp.set_experts_implementation("eager")
    gate, seen = mtp.layers[0].mtp_block.mlp.gate, []
    gate.register_forward_hook(lambda _module, _in, out: seen.append(out))
    hidden = model.model(input_ids=ids[None], use_cache=False).last_hidden_state
    positions = torch.arange(1, len(ids))[None]
    out = mtp.forward_layer(0, hidden[:, :-1], positions, None, input_ids=ids[None, 1:])
    return model.lm_head(out)[0], out[0], routing_margin(gate, seen[0], model.config)
