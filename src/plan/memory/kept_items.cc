// What the forward pass keeps of a layer for the backward pass, a token.
#include "plan/memory/rank_memory.h"

namespace fathom::plan {
namespace {

constexpr double kBf16 = 2.0;
constexpr double kE5M6 = 1.5;
constexpr double kF32 = 4.0;

/// A number in FP8 with a one-byte (UE8M0) scale for 128 of them.
constexpr double kFp8Scaled = 1.0 + 1.0 / 128.0;

class Items {
 public:
  Items(const ModelConfig& config, const Layout& layout)
      : c_(config),
        fp8_(layout.precision == Precision::kFp8),
        keep_all_(layout.recompute == Recompute::kNone),
        heads_(static_cast<double>(config.num_attention_heads)) {}

  std::vector<KeptItem> block_input() const {
    return {{"block input", static_cast<double>(c_.hidden_size) * kBf16}};
  }

  std::vector<KeptItem> layer(bool moe) {
    const auto d = static_cast<double>(c_.hidden_size);
    add("inputs of attention and FFN", 2.0 * d * kBf16);
    if (keep_all_) add("their norms' outputs", 2.0 * d * kBf16);
    attention();
    if (moe) {
      experts(d);
    } else {
      ffn("dense", static_cast<double>(c_.intermediate_size), fp8_ ? kFp8Scaled : kBf16);
    }
    return std::move(items_);
  }

 private:
  void add(std::string what, double bytes) {
    if (bytes > 0.0) items_.push_back({std::move(what), bytes});
  }

  void attention() {
    const double v = heads_ * static_cast<double>(c_.value_head_dim());
    if (c_.is_mla()) {
      mla();
    } else {
      const double kv = 2.0 * static_cast<double>(c_.num_key_value_heads * c_.head_dim);
      add("queries, keys and values", (heads_ * static_cast<double>(c_.head_dim) + kv) * kBf16);
    }
    add(fp8_ ? "attention output (E5M6)" : "attention output", v * (fp8_ ? kE5M6 : kBf16));
    add("log-sum-exp of attention", heads_ * kF32);
  }

  void mla() {
    const auto normed = static_cast<double>(c_.q_lora_rank + c_.kv_lora_rank);
    const double queries = heads_ * static_cast<double>(c_.qk_head_dim());
    add("latents", (normed + static_cast<double>(c_.qk_rope_head_dim)) * kBf16);
    if (keep_all_) {
      add("latent norms' outputs", normed * kBf16);
      add("queries", queries * kBf16);
      add("keys and values",
          heads_ * static_cast<double>(c_.qk_nope_head_dim + c_.v_head_dim) * kBf16);
      add("rotated keys, a head each", heads_ * static_cast<double>(c_.qk_rope_head_dim) * kBf16);
    } else if (fp8_) {
      add("latent norms' outputs (FP8)", normed * kFp8Scaled);
    }
  }

  void experts(double d) {
    const auto topk = static_cast<double>(c_.num_experts_per_tok);
    const auto width = static_cast<double>(c_.moe_intermediate_size);
    const double number = fp8_ ? kFp8Scaled : kBf16;
    add("router scores", 2.0 * static_cast<double>(c_.n_routed_experts) * kF32);
    add("rows of experts", topk * d * number);
    add("experts' gate and up", topk * 2.0 * width * number);
    if (keep_all_) add("experts' SwiGLU", topk * width * kBf16);
    ffn("shared experts", width * static_cast<double>(c_.n_shared_experts), kBf16);
  }

  void ffn(const std::string& name, double width, double number) {
    add(name + ": gate and up", 2.0 * width * number);
    if (keep_all_) add(name + ": SwiGLU", width * kBf16);
  }

  const ModelConfig& c_;
  bool fp8_, keep_all_;
  double heads_;
  std::vector<KeptItem> items_;
};

}  // namespace

std::vector<KeptItem> kept_items(const ModelConfig& config, const Layout& layout, bool moe) {
  Items items(config, layout);
  return layout.recompute == Recompute::kAll ? items.block_input() : items.layer(moe);
}

BytesPerToken kept_bytes(const ModelConfig& config, const Layout& layout, bool moe) {
  double sum = 0.0;
  for (const KeptItem& item : kept_items(config, layout, moe)) sum += item.bytes;
  return BytesPerToken(sum / static_cast<double>(layout.tensor_ranks));
}

}  // namespace fathom::plan
