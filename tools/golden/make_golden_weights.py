"""Names, shapes and random values of a golden checkpoint's tensors, as published ones name them."""

import torch

from make_golden_cases import Case


def _attention_shapes(config: dict) -> dict[str, list[int]]:
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    if "kv_lora_rank" not in config:
        head_dim = config.get("head_dim", hidden // heads)
        kv_dim = config["num_key_value_heads"] * head_dim
        shapes = {
            "q_proj.weight": [heads * head_dim, hidden],
            "k_proj.weight": [kv_dim, hidden],
            "v_proj.weight": [kv_dim, hidden],
            "o_proj.weight": [hidden, heads * head_dim],
        }
        if config["model_type"] == "qwen2" or config["attention_bias"]:
            shapes |= {f"{p}_proj.bias": shapes[f"{p}_proj.weight"][:1] for p in "qkv"}
        if config["model_type"] != "qwen2" and config["attention_bias"]:
            shapes["o_proj.bias"] = [hidden]
        if config["model_type"] == "qwen3":
            shapes |= {"q_norm.weight": [head_dim], "k_norm.weight": [head_dim]}
        return shapes
    nope, rope, v = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
    rank, q_rank = config["kv_lora_rank"], config["q_lora_rank"]
    shapes = {"q_proj.weight": [heads * (nope + rope), hidden]}
    if q_rank is not None:
        shapes = {
            "q_a_proj.weight": [q_rank, hidden],
            "q_a_layernorm.weight": [q_rank],
            "q_b_proj.weight": [heads * (nope + rope), q_rank],
        }
    return shapes | {
        "kv_a_proj_with_mqa.weight": [rank + rope, hidden],
        "kv_a_layernorm.weight": [rank],
        "kv_b_proj.weight": [heads * (nope + v), rank],
        "o_proj.weight": [hidden, heads * v],
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
        shapes[f"{prefix}self_attn.{name}"] = shape
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


# Standard deviation times sqrt(fan_in). The residual stream and the latents are kept near 0.03 so
# that the epsilon of each norm moves the logits; queries and router scores are kept wide so that
# attention and the choice of experts are far from uniform.
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
    """One random tensor in F32; the caller rounds all but the router's bias to BF16."""
    if name.endswith("e_score_correction_bias"):
        low, high = case.bias_range
        return low + (high - low) * torch.rand(shape, generator=generator)
    x = torch.randn(shape, generator=generator)
    module, kind = name.split(".")[-2:]
    if kind == "bias":
        return x * 0.3 if module != "o_proj" else x * 0.03
    if "norm" in module:
        return 1.0 + 0.2 * x
    if module == "embed_tokens":
        return x * 0.03
    x *= _GAINS.get(module, 1.0) / shape[1] ** 0.5
    if module == "kv_a_proj_with_mqa":
        x[: case.config["kv_lora_rank"]] *= 0.02  # latent rows only; the rope key keeps its size
    if module in ("o_proj", "down_proj") and case.config["tie_word_embeddings"]:
        x *= 4.0  # or the tied head would only repeat the token it was given
    if module == "down_proj":
        x /= case.config.get("routed_scaling_factor", 1.0)
    return x


def draw_weights(case: Case, seed: int) -> dict[str, torch.Tensor]:
    """The checkpoint's tensors in BF16, the router's bias in F32; MTP's two copies included."""
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
