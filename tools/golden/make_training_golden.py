#!/usr/bin/env python3
"""Makes tests/golden/training_*: one training step's losses and gradients, and ten AdamW steps.

The models are Hugging Face transformers' own classes with PyTorch's autograd. What transformers has no
code for in training is written here in a few lines each: the MTP modules around its decoder layer, and
the balance losses. Everything runs in F32 on tiny random models.

    python tools/golden/make_training_golden.py [--case training_v3]

Each folder is a Hugging Face directory (config.json, model.safetensors; MTP modules as layers
num_hidden_layers and on) plus golden.safetensors:

    recipe      F64 [9]  mtp weight, seq/batch/expert/device/comm loss weights, devices, devices a token,
                         learning rate
    tokens      I64 [batches, sequences, seq_len + 1 + mtp]
    targets     I64 [batches, 1 + mtp, sequences, seq_len]  -1: none
    nll         F64 [1 + mtp]  sums over the targets of batch 0
    balance     F64 [1]        the balance losses of batch 0 as they enter the loss
    grad.NAME   F32            gradient of batch 0's loss by checkpoint tensor NAME
    losses      F64 [10]       the whole loss before each of ten steps: batch 0, 1, 0, ...; gradient norm
                               clipped to 1, torch.optim.AdamW with betas 0.9 and 0.95, eps 1e-8, weight
                               decay 0.1 on matrices
"""

import argparse
import json
import platform
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import torch
import torch.nn.functional as F
import transformers
from make_golden_cases import _LLAMA, _QWEN2, _QWEN3, _V2, _V3, _yarn
from safetensors.torch import save_file
from torch import nn

GOLDEN_DIR = Path(__file__).resolve().parents[2] / "tests" / "golden"
SEQUENCES, SEQ_LEN, BATCHES, STEPS = 3, 20, 2, 10


@dataclass(frozen=True)
class Recipe:
    mtp: float = 0.0
    seq: float = 0.0
    batch: float = 0.0
    expert: float = 0.0
    device: float = 0.0
    comm: float = 0.0
    num_devices: int = 1
    max_devices: int = 1
    lr: float = 2e-3

    def tensor(self) -> torch.Tensor:
        return torch.tensor(
            [self.mtp, self.seq, self.batch, self.expert, self.device, self.comm]
            + [self.num_devices, self.max_devices, self.lr],
            dtype=torch.float64,
        )


@dataclass(frozen=True)
class Case:
    config: dict
    recipe: Recipe
    seed: int = 0
    about: str = field(default="")


# Weights of the balance losses are far above a real run's, so that a wrong one shows.
CASES = {
    "training_v3": Case(
        _V3
        | {
            "hidden_size": 24,
            "kv_lora_rank": 16,
            "max_position_embeddings": 1280,
            "rope_scaling": _yarn(8, 1.0, 1.0, beta_fast=2),
            "num_nextn_predict_layers": 2,
            "num_experts_per_tok": 3,
            "vocab_size": 64,
        },
        Recipe(mtp=0.3, seq=0.05),
        seed=1,
        about="query compression, groups, bias, YaRN, shared expert, two MTP modules, sequence-wise loss",
    ),
    "training_moonlight": Case(
        _V3
        | {
            "q_lora_rank": None,
            "n_group": 1,
            "topk_group": 1,
            "n_routed_experts": 8,
            "n_shared_experts": 2,
            "rms_norm_eps": 1e-5,
            "rope_theta": 50000.0,
            "routed_scaling_factor": 2.446,
            "rope_scaling": None,
        },
        Recipe(batch=0.05, expert=0.03, device=0.04, comm=0.02, num_devices=4, max_devices=2),
        seed=2,
        about="no query compression, one group, batch-wise loss and V2's three losses on sigmoid scores",
    ),
    "training_v2": Case(
        _V2
        | {
            "n_group": 4,
            "n_routed_experts": 12,
            "q_lora_rank": 20,
            "rope_scaling": _yarn(16, 1.0, 0.707),
            "routed_scaling_factor": 4.0,
            "topk_group": 2,
            "topk_method": "group_limited_greedy",
        },
        Recipe(seq=0.02, expert=0.03, device=0.05, comm=0.02, num_devices=4, max_devices=2),
        seed=3,
        about="softmax router without normalisation, groups, V2's three losses",
    ),
    "training_llama_tied": Case(
        _LLAMA | {"tie_word_embeddings": True, "num_hidden_layers": 1, "hidden_size": 24},
        Recipe(),
        seed=5,
        about="embedding and head are one matrix; head_dim 6",
    ),
    "training_llama": Case(
        _LLAMA, Recipe(), seed=4, about="dense, 4 heads on 2 key/value heads"
    ),
    "training_qwen2": Case(
        _QWEN2 | {"num_hidden_layers": 1}, Recipe(), seed=6, about="biases on q, k and v"
    ),
    "training_qwen3": Case(
        _QWEN3 | {"attention_bias": True, "num_hidden_layers": 1, "tie_word_embeddings": True},
        Recipe(),
        seed=7,
        about="norms of query and key heads, biases on q, k, v and o, tied",
    ),
}


class Mtp(nn.Module):
    """One MTP module around transformers' decoder layer (DeepSeek-V3 2.2, released order)."""

    def __init__(self, main: nn.Module, layer: int):
        super().__init__()
        base = main.model
        norm = type(base.norm)
        width, eps = main.config.hidden_size, main.config.rms_norm_eps
        self.enorm, self.hnorm = norm(width, eps=eps), norm(width, eps=eps)
        self.eh_proj = nn.Linear(2 * width, width, bias=False)
        self.block = type(base.layers[-1])(main.config, layer)
        self.norm = norm(width, eps=eps)

    def forward(self, base: nn.Module, hidden: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        length = ids.shape[1]
        positions = torch.arange(length)[None]
        mask = torch.full((length, length), float("-inf")).triu(1)[None, None]
        joined = torch.cat([self.enorm(base.embed_tokens(ids)), self.hnorm(hidden)], dim=-1)
        x = self.block(
            self.eh_proj(joined),
            attention_mask=mask,
            position_ids=positions,
            position_embeddings=base.rotary_emb(hidden, positions),
        )
        return self.norm(x[0] if isinstance(x, tuple) else x)


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.main = transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation="eager", dtype=torch.float32
        )
        layers = config.num_hidden_layers
        depth = getattr(config, "num_nextn_predict_layers", 0) or 0
        self.mtp = nn.ModuleList(Mtp(self.main, layers + k) for k in range(depth))
        self.routed: list[tuple[torch.Tensor, torch.Tensor]] = []
        for module in self.modules():
            if type(module).__name__.endswith("TopkRouter"):
                module.register_forward_hook(
                    lambda _module, _in, out: self.routed.append((out[0], out[2]))
                )
            if hasattr(module, "set_experts_implementation"):
                module.set_experts_implementation("eager")

    def forward(self, tokens: torch.Tensor) -> list[torch.Tensor]:
        """Logits of every head; the routers' (logits, chosen) are left in self.routed."""
        self.routed.clear()
        heads = 1 + len(self.mtp)
        length = tokens.shape[1] - heads
        base = self.main.model
        hidden = base(input_ids=tokens[:, :length], use_cache=False).last_hidden_state
        logits = [self.main.lm_head(hidden)]
        for k, module in enumerate(self.mtp, start=1):
            hidden = module(base, hidden, tokens[:, k : k + length])
            logits.append(self.main.lm_head(hidden))
        return logits

    def checkpoint_views(self):
        """(checkpoint name, parameter or buffer, index of the tensor in it)."""
        everything = list(self.named_parameters()) + [
            (n, b) for n, b in self.named_buffers() if n.endswith("e_score_correction_bias")
        ]
        layers = self.main.config.num_hidden_layers
        for name, p in everything:
            if name.startswith("mtp."):
                _, k, rest = name.split(".", 2)
                rest = rest.removeprefix("block.")
                rest = "shared_head.norm.weight" if rest == "norm.weight" else rest
                name = f"model.layers.{layers + int(k)}.{rest}"
            else:
                name = name.removeprefix("main.")
            if name.endswith("experts.gate_up_proj"):
                half = p.shape[1] // 2
                for e in range(p.shape[0]):
                    at = name.replace("gate_up_proj", f"{e}.")
                    yield at + "gate_proj.weight", p, (e, slice(0, half))
                    yield at + "up_proj.weight", p, (e, slice(half, None))
            elif name.endswith("experts.down_proj"):
                for e in range(p.shape[0]):
                    yield name.replace("down_proj", f"{e}.down_proj.weight"), p, (e,)
            else:
                yield name, p, ()


def balance_loss(model: Model, recipe: Recipe) -> torch.Tensor:
    """V3 eqs (17)-(20), the same over the batch (4.5.3), and V2 2.2.3; mean over sequences."""
    config, total = model.main.config, torch.zeros((), dtype=torch.float32)
    for router_logits, chosen in model.routed:
        softmax = config.model_type == "deepseek_v2"
        scores = router_logits.softmax(-1) if softmax else router_logits.sigmoid()
        normalised = scores if softmax else scores / (scores.sum(-1, keepdim=True) + 1e-20)
        experts, topk = scores.shape[1], chosen.shape[1]
        raw = torch.zeros_like(scores).scatter(1, scores.topk(topk, dim=-1).indices, 1.0)
        hot = torch.zeros_like(scores).scatter(1, chosen, 1.0)
        total = total + recipe.batch * (
            raw.mean(0).detach() * experts / topk * normalised.mean(0)
        ).sum()
        d = recipe.num_devices
        for s, r, h in zip(*(x.split(SEQ_LEN) for x in (normalised, raw, hot)), strict=True):
            p = s.mean(0)
            f_raw, f = r.mean(0) * experts / topk, h.mean(0) * experts / topk
            p_device, f_device = p.view(d, -1).sum(1), f.view(d, -1).mean(1)
            sent = (h.view(SEQ_LEN, d, -1).sum(-1) > 0).float().mean(0) * d / recipe.max_devices
            loss = recipe.seq * (f_raw * p).sum() + recipe.expert * (f * p).sum()
            loss = loss + recipe.device * (f_device * p_device).sum()
            loss = loss + recipe.comm * (sent * p_device).sum()
            total = total + loss / SEQUENCES
    return total


def losses(model: Model, recipe: Recipe, tokens: torch.Tensor, targets: torch.Tensor):
    """(the step's loss, nll of each head, balance loss)."""
    nll = [
        F.cross_entropy(x.flatten(0, 1), t.flatten(), ignore_index=-1, reduction="sum")
        for x, t in zip(model(tokens), targets, strict=True)
    ]
    count = (targets[0] >= 0).sum()  # the paper divides MTP's sums by T too
    balance = balance_loss(model, recipe)
    total = nll[0] / count + balance
    for x in nll[1:]:
        total = total + recipe.mtp / len(model.mtp) * x / count
    return total, nll, balance


def draw_weights(model: Model, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        p.data = 1 + 0.1 * noise if p.dim() == 1 and "norm" in name else 0.2 * noise
    for name, b in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            b.copy_(0.1 * torch.randn(b.shape, generator=generator))


def draw_batch(config, depth: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (BATCHES, SEQUENCES, SEQ_LEN + 1 + depth)
    tokens = torch.randint(0, config.vocab_size, shape, generator=generator)
    heads = [tokens[:, :, k + 1 : k + 1 + SEQ_LEN] for k in range(1 + depth)]
    targets = torch.stack(heads, dim=1).clone()
    targets[torch.rand(targets.shape, generator=generator) < 0.1] = -1
    return tokens, targets


def make(name: str) -> None:
    case, directory = CASES[name], GOLDEN_DIR / name
    directory.mkdir(exist_ok=True)
    config_json = case.config | {"torch_dtype": "float32"}
    (directory / "config.json").write_text(json.dumps(config_json, indent=1) + "\n")
    config = transformers.AutoConfig.from_pretrained(directory)
    model = Model(config)
    draw_weights(model, case.seed)
    tokens, targets = draw_batch(config, len(model.mtp), case.seed)

    views = list(model.checkpoint_views())
    weights = {n: p.detach()[index].clone().contiguous() for n, p, index in views}
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})

    total, nll, balance = losses(model, case.recipe, tokens[0], targets[0])
    total.backward()
    golden = {
        "recipe": case.recipe.tensor(),
        "tokens": tokens,
        "targets": targets,
        "nll": torch.stack(nll).detach().double(),
        "balance": balance.detach().double()[None],
    }
    for n, p, index in views:
        if p.requires_grad:
            golden["grad." + n] = p.grad[index].clone().contiguous()

    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=case.recipe.lr, betas=(0.9, 0.95), eps=1e-8)
    history = []
    for step in range(STEPS):
        optimizer.zero_grad()
        total, _, _ = losses(model, case.recipe, *(x[step % BATCHES] for x in (tokens, targets)))
        total.backward()
        history.append(total.item())
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    golden["losses"] = torch.tensor(history, dtype=torch.float64)
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "safetensors": safetensors.__version__,
        "seed": str(case.seed),
    }
    save_file(golden, directory / "golden.safetensors", metadata=versions)
    for path in directory.iterdir():
        path.chmod(0o644)
    size = sum(path.stat().st_size for path in directory.iterdir())
    print(name, case.about, f"{size / 1000:.0f} kB", "losses", [round(x, 4) for x in history])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--case", choices=CASES, action="append", help="default: every case")
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    for name in parser.parse_args().case or CASES:
        make(name)


if __name__ == "__main__":
    main()
