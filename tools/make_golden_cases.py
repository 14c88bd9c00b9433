"""The cases of tests/golden: each one's config.json, its seed and how its random weights are drawn.

Config keys are spelled as the published checkpoints spell them. Sizes are tiny; every width that the
architecture lets differ does differ (nope, rope, v, the two ranks), so that a swapped size cannot pass.
"""

from dataclasses import dataclass, field

import torch

_DEEPSEEK = {
    "attention_bias": False,
    "attention_dropout": 0.0,
    "aux_loss_alpha": 0.001,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "ep_size": 1,
    "first_k_dense_replace": 1,
    "hidden_act": "silu",
    "hidden_size": 16,
    "initializer_range": 0.02,
    "intermediate_size": 24,
    "kv_lora_rank": 12,
    "max_position_embeddings": 640,
    "moe_intermediate_size": 8,
    "moe_layer_freq": 1,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "pretraining_tp": 1,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000,
    "seq_aux": True,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "v_head_dim": 12,
    "vocab_size": 48,
}

_V3 = _DEEPSEEK | {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "n_group": 4,
    "n_routed_experts": 12,
    "n_shared_experts": 1,
    "norm_topk_prob": True,
    "num_experts_per_tok": 3,
    "num_nextn_predict_layers": 0,
    "q_lora_rank": 20,
    "routed_scaling_factor": 2.5,
    "scoring_func": "sigmoid",
    "topk_group": 2,
    "topk_method": "noaux_tc",
}

_V2 = _DEEPSEEK | {
    "architectures": ["DeepseekV2ForCausalLM"],
    "model_type": "deepseek_v2",
    "n_group": 1,
    "n_routed_experts": 8,
    "n_shared_experts": 2,
    "norm_topk_prob": False,
    "num_experts_per_tok": 3,
    "q_lora_rank": None,
    "routed_scaling_factor": 1.0,
    "scoring_func": "softmax",
    "topk_group": 1,
    "topk_method": "greedy",
}

_LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "hidden_act": "silu",
    "hidden_size": 32,
    "initializer_range": 0.02,
    "intermediate_size": 40,
    "max_position_embeddings": 256,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-5,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 48,
}


def _yarn(original_max: int, mscale: float, mscale_all_dim: float, beta_fast: float = 32) -> dict:
    return {
        "beta_fast": beta_fast,
        "beta_slow": 1,
        "factor": 40,
        "mscale": mscale,
        "mscale_all_dim": mscale_all_dim,
        "original_max_position_embeddings": original_max,
        "type": "yarn",
    }


@dataclass(frozen=True)
class Case:
    """One folder of tests/golden."""

    about: str
    config: dict
    seed: int = 0
    tokens: int = 24
    shards: int = 1
    fp8: bool = False
    bias_range: tuple[float, float] = (-0.3, 0.3)  # of e_score_correction_bias
    # Config edits that must change the logits: what the golden is able to notice.
    mutations: dict[str, dict] = field(default_factory=dict)


_NO_YARN = {"no YaRN": {"rope_scaling": None}}
_BASE_MUTATIONS = {
    "rms_norm_eps x10": {"rms_norm_eps": 1e-5},
    "rope_theta 5000": {"rope_theta": 5000},
}
_V3_MUTATIONS = _BASE_MUTATIONS | {
    "routed_scaling_factor 1": {"routed_scaling_factor": 1.0},
    "norm_topk_prob off": {"norm_topk_prob": False},
}

CASES = {
    "v3": Case(
        "V3-like: query compression, groups, bias, YaRN past its original length, two MoE layers",
        _V3
        | {
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 16,
            "max_position_embeddings": 1280,
            "rope_scaling": _yarn(32, 1.0, 1.0, beta_fast=2),
            "vocab_size": 64,
        },
        tokens=40,
        seed=7,
        mutations=_V3_MUTATIONS
        | _NO_YARN
        | {
            "one group": {"n_group": 1, "topk_group": 1},
            "rope half-split": {"rope_interleave": False},
        },
    ),
    "v3_masked_groups": Case(
        "one MoE layer whose bias is so negative that kept groups hold fewer than K positive scores",
        _V3
        | {
            "num_hidden_layers": 1,
            "first_k_dense_replace": 0,
            "rope_scaling": _yarn(16, 1.0, 1.0),
        },
        bias_range=(-1.0, -0.3),
        seed=5,
        mutations=_V3_MUTATIONS | _NO_YARN,
    ),
    "v2_lite": Case(
        "V2-Lite-like: no query compression, softmax, greedy, YaRN with mscale 0.707; two shards",
        _V2 | {"rope_scaling": _yarn(16, 0.707, 0.707)},
        shards=2,
        seed=18,
        mutations=_BASE_MUTATIONS
        | _NO_YARN
        | {
            "mscale 1.0": {"rope_scaling": _yarn(16, 1.0, 1.0)},
            "routed_scaling_factor 2": {"routed_scaling_factor": 2.0},
        },
    ),
    "v2": Case(
        "V2-like: query compression, group_limited_greedy, scaling 16, mscale != mscale_all_dim",
        _V2
        | {
            "n_group": 4,
            "n_routed_experts": 12,
            "q_lora_rank": 20,
            "rope_scaling": _yarn(16, 1.0, 0.707),
            "routed_scaling_factor": 16.0,
            "topk_group": 2,
            "topk_method": "group_limited_greedy",
        },
        seed=14,
        mutations=_BASE_MUTATIONS
        | _NO_YARN
        | {
            "cos/sin not scaled": {"rope_scaling": _yarn(16, 0.707, 0.707)},
            "topk_method greedy": {"topk_method": "greedy"},
            "routed_scaling_factor 1": {"routed_scaling_factor": 1.0},
        },
    ),
    "moonlight": Case(
        "Moonlight-like: no query compression, one group, no YaRN, eps 1e-5, theta 50000",
        _V3
        | {
            "max_position_embeddings": 256,
            "n_group": 1,
            "n_routed_experts": 8,
            "n_shared_experts": 2,
            "q_lora_rank": None,
            "rms_norm_eps": 1e-5,
            "rope_scaling": None,
            "rope_theta": 50000.0,
            "routed_scaling_factor": 2.446,
            "topk_group": 1,
        },
        seed=9,
        mutations=_V3_MUTATIONS | {"rms_norm_eps x10": {"rms_norm_eps": 1e-6}},
    ),
    "llama": Case(
        "dense Llama, 4 query heads on 2 key/value heads, eps 1e-5",
        _LLAMA,
        seed=1,
        mutations={
            "rms_norm_eps 1e-6": {"rms_norm_eps": 1e-6},
            "rope_theta 5000": {"rope_theta": 5000.0},
        },
    ),
    "llama_tied": Case(
        "dense Llama with tied embeddings, llama3 rope scaling and a head_dim that is not hidden/heads",
        _LLAMA
        | {
            "head_dim": 16,
            "hidden_size": 24,
            "intermediate_size": 32,
            "num_key_value_heads": 1,
            "rope_scaling": {
                "factor": 8.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 48,
                "rope_type": "llama3",
            },
            "rope_theta": 500000.0,
            "tie_word_embeddings": True,
        },
        seed=4,
        mutations={"no rope_scaling": {"rope_scaling": None}},
    ),
    "fp8": Case(
        "V3-like, FP8 weights with 128x128 scales: ragged blocks, o_proj is 2x2 blocks",
        _V3
        | {
            "hidden_size": 136,
            "intermediate_size": 16,
            "n_group": 1,
            "n_routed_experts": 4,
            "num_attention_heads": 3,
            "num_key_value_heads": 3,
            "num_experts_per_tok": 2,
            "q_lora_rank": 8,
            "quantization_config": {
                "activation_scheme": "dynamic",
                "fmt": "e4m3",
                "quant_method": "fp8",
                "weight_block_size": [128, 128],
            },
            "rope_scaling": _yarn(16, 1.0, 1.0),
            "topk_group": 1,
            "v_head_dim": 44,
            "vocab_size": 32,
        },
        seed=36,
        tokens=12,
        fp8=True,
    ),
    "mtp": Case(
        "one dense layer and one MTP module (layer 1) with MoE, its own gate and bias",
        _V3
        | {
            "n_group": 2,
            "n_routed_experts": 8,
            "num_hidden_layers": 1,
            "num_nextn_predict_layers": 1,
            "rope_scaling": _yarn(16, 1.0, 1.0),
            "topk_group": 1,
        },
        seed=6,
    ),
}


# --------------------------------------------------------------------------------------- weights


def _attention_shapes(config: dict) -> dict[str, list[int]]:
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    if config["model_type"] == "llama":
        head_dim = config.get("head_dim", hidden // heads)
        kv_dim = config["num_key_value_heads"] * head_dim
        return {
            "q_proj": [heads * head_dim, hidden],
            "k_proj": [kv_dim, hidden],
            "v_proj": [kv_dim, hidden],
            "o_proj": [hidden, heads * head_dim],
        }
    nope, rope, v = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
    rank, q_rank = config["kv_lora_rank"], config["q_lora_rank"]
    shapes = {"q_proj": [heads * (nope + rope), hidden]}
    if q_rank is not None:
        shapes = {
            "q_a_proj": [q_rank, hidden],
            "q_a_layernorm": [q_rank],
            "q_b_proj": [heads * (nope + rope), q_rank],
        }
    return shapes | {
        "kv_a_proj_with_mqa": [rank + rope, hidden],
        "kv_a_layernorm": [rank],
        "kv_b_proj": [heads * (nope + v), rank],
        "o_proj": [hidden, heads * v],
    }


def _swiglu_shapes(prefix: str, hidden: int, width: int) -> dict[str, list[int]]:
    return {
        f"{prefix}gate_proj": [width, hidden],
        f"{prefix}up_proj": [width, hidden],
        f"{prefix}down_proj": [hidden, width],
    }


def _mlp_shapes(config: dict, layer: int) -> dict[str, list[int]]:
    hidden = config["hidden_size"]
    if layer < config.get("first_k_dense_replace", layer + 1):
        return _swiglu_shapes("", hidden, config["intermediate_size"])
    width, experts = config["moe_intermediate_size"], config["n_routed_experts"]
    shapes = {"gate": [experts, hidden]}
    for expert in range(experts):
        shapes |= _swiglu_shapes(f"experts.{expert}.", hidden, width)
    return shapes | _swiglu_shapes("shared_experts.", hidden, config["n_shared_experts"] * width)


def _layer_shapes(config: dict, layer: int) -> dict[str, list[int]]:
    prefix, hidden = f"model.layers.{layer}.", config["hidden_size"]
    shapes = {f"{prefix}input_layernorm.weight": [hidden]}
    for name, shape in _attention_shapes(config).items():
        shapes[f"{prefix}self_attn.{name}.weight"] = shape
    shapes[f"{prefix}post_attention_layernorm.weight"] = [hidden]
    for name, shape in _mlp_shapes(config, layer).items():
        shapes[f"{prefix}mlp.{name}.weight"] = shape
        if name == "gate" and config.get("topk_method") == "noaux_tc":
            shapes[f"{prefix}mlp.gate.e_score_correction_bias"] = shape[:1]
    return shapes


def tensor_shapes(config: dict) -> dict[str, list[int]]:
    """Every tensor of the checkpoint, by its published name, with its [out, in] shape."""
    hidden, vocab, layers = config["hidden_size"], config["vocab_size"], config["num_hidden_layers"]
    shapes = {"model.embed_tokens.weight": [vocab, hidden]}
    for layer in range(layers):
        shapes |= _layer_shapes(config, layer)
    shapes["model.norm.weight"] = [hidden]
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = [vocab, hidden]
    for layer in range(layers, layers + config.get("num_nextn_predict_layers", 0)):
        prefix = f"model.layers.{layer}."
        shapes |= _layer_shapes(config, layer)
        shapes[f"{prefix}enorm.weight"] = [hidden]
        shapes[f"{prefix}hnorm.weight"] = [hidden]
        shapes[f"{prefix}eh_proj.weight"] = [hidden, 2 * hidden]
        shapes[f"{prefix}shared_head.norm.weight"] = [hidden]
    return shapes


# Standard deviation times sqrt(fan_in). The residual stream and the latents are kept near 0.03 so that
# the epsilon of each norm moves the logits; queries and router scores are kept wide so that attention
# and the choice of experts are far from uniform.
_GAINS = {
    "q_a_proj": 0.02,
    "q_b_proj": 1.2,
    "q_proj": 1.2,
    "kv_b_proj": 1.0,
    "o_proj": 0.03,
    "down_proj": 0.1,
    "gate": 2.0,
    "lm_head": 2.0,
}


def _draw(name: str, shape: list[int], case: Case, generator: torch.Generator) -> torch.Tensor:
    """One random tensor in F32; values are rounded to BF16 by the caller, but not the router's bias."""
    if name.endswith("e_score_correction_bias"):
        low, high = case.bias_range
        return low + (high - low) * torch.rand(shape, generator=generator)
    x = torch.randn(shape, generator=generator)
    module = name.split(".")[-2]
    if "norm" in module:
        return 1.0 + 0.2 * x
    if module == "embed_tokens":
        return x * 0.03
    x *= _GAINS.get(module, 1.0) / shape[1] ** 0.5
    if module == "kv_a_proj_with_mqa":
        x[: case.config["kv_lora_rank"]] *= 0.02  # the latent rows; the shared rope key keeps its size
    if module in ("o_proj", "down_proj") and case.config["tie_word_embeddings"]:
        x *= 4.0  # or the tied head would only repeat the token it was given
    if module == "down_proj":
        x /= case.config.get("routed_scaling_factor", 1.0)
    return x


def draw_weights(case: Case, seed: int) -> dict[str, torch.Tensor]:
    """The checkpoint's tensors: BF16, the router's bias F32; MTP's embedding and head are copies."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in tensor_shapes(case.config).items():
        x = _draw(name, shape, case, generator)
        weights[name] = x if name.endswith("e_score_correction_bias") else x.to(torch.bfloat16)
    for layer in range(case.config.get("num_nextn_predict_layers", 0)):
        prefix = f"model.layers.{case.config['num_hidden_layers'] + layer}."
        weights[f"{prefix}embed_tokens.weight"] = weights["model.embed_tokens.weight"].clone()
        weights[f"{prefix}shared_head.head.weight"] = weights["lm_head.weight"].clone()
    return weights
