"""The cases of tests/golden: each one's config.json and its seed.

Config keys are spelled as the published checkpoints spell them. Sizes are tiny; the widths that the
architecture lets differ (nope, rope, v, the two ranks) do differ, so a swapped size cannot pass.
"""

from dataclasses import dataclass, field

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

# As R1-Distill-Qwen and Qwen2.5 files have it, sliding windows named and off.
_QWEN2 = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "hidden_act": "silu",
    "hidden_size": 32,
    "initializer_range": 0.02,
    "intermediate_size": 40,
    "max_position_embeddings": 256,
    "max_window_layers": 1,
    "model_type": "qwen2",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "sliding_window": 4,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_mrope": False,
    "use_sliding_window": False,
    "vocab_size": 48,
}

_QWEN3 = _QWEN2 | {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "head_dim": 12,
    "model_type": "qwen3",
    "rope_scaling": None,
    "sliding_window": None,
}
del _QWEN3["use_mrope"]


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
        "one MoE layer, bias so negative that kept groups hold fewer than K positive scores",
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
        "dense Llama, tied embeddings, llama3 rope scaling, head_dim that is not hidden/heads",
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
    "llama_bias": Case(
        "dense Llama with attention_bias: biases on q, k, v and o",
        _LLAMA | {"attention_bias": True, "num_hidden_layers": 1},
        seed=11,
        mutations={"rope_theta 5000": {"rope_theta": 5000.0}},
    ),
    "qwen2": Case(
        "Qwen2, biases on q, k and v, YaRN past its original length as Qwen2.5 files have it",
        _QWEN2
        | {
            "rope_scaling": {
                "factor": 4.0,
                "original_max_position_embeddings": 16,
                "type": "yarn",
            },
        },
        seed=18,
        mutations={
            "rms_norm_eps x10": {"rms_norm_eps": 1e-5},
            "rope_theta 10000": {"rope_theta": 10000.0},
            "no YaRN": {"rope_scaling": None},
        },
    ),
    "qwen2_tied": Case(
        "Qwen2, tied embeddings, one key/value head, theta in rope_parameters",
        {key: value for key, value in _QWEN2.items() if key != "rope_theta"}
        | {
            "hidden_size": 24,
            "intermediate_size": 32,
            "num_attention_heads": 3,
            "num_key_value_heads": 1,
            "layer_types": ["full_attention", "full_attention"],
            "rope_parameters": {"rope_theta": 500.0, "rope_type": "default"},
            "tie_word_embeddings": True,
        },
        seed=15,
        mutations={"rope_theta 1000": {"rope_parameters": {"rope_theta": 1000.0}}},
    ),
    "qwen3": Case(
        "Qwen3, norms of query and key heads, head_dim that is not hidden/heads",
        _QWEN3,
        seed=20,
        mutations={
            "rms_norm_eps x10": {"rms_norm_eps": 1e-5},
            "rope_theta 10000": {"rope_theta": 10000.0},
        },
    ),
    "qwen3_tied": Case(
        "Qwen3 with attention_bias, which is on o_proj too, tied embeddings",
        _QWEN3 | {"attention_bias": True, "num_key_value_heads": 4, "tie_word_embeddings": True},
        seed=16,
        mutations={"rope_theta 10000": {"rope_theta": 10000.0}},
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
