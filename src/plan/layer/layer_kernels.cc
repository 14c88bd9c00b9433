#include "plan/layer/layer_kernels.h"

#include <algorithm>
#include <cmath>

#include "base/checked_math.h"
#include "plan/layer/kernel_list.h"
#include "plan/layer/linear_shapes.h"
#include "plan/machine/exchange.h"

namespace fathom::plan {
namespace {

/// Tokens of the machine files' router and mapping times.
constexpr double kTableTokens = 4096.0;
/// E5M6: what o_proj's input is kept in (V3 §3.3.3).
constexpr double kE5M6Bytes = 1.5;

class Builder {
 public:
  Builder(const Cluster& cluster, const ModelConfig& config, const LayerSetting& setting)
      : c_(config),
        s_(setting),
        list_(cluster, setting.precision, setting.sms),
        t_(static_cast<double>(setting.tokens)),
        own_(t_ / static_cast<double>(setting.tensor_ranks)),
        d_(static_cast<double>(config.hidden_size)),
        heads_(config.num_attention_heads / setting.tensor_ranks) {}

  std::vector<Kernel> layer() {
    attention_forward();
    if (s_.moe) {
      router(LayerPart::kAttentionForward, list_.cluster().kernels.router_forward_us);
      moe_forward(LayerPart::kFfnForward);
      if (s_.training) moe_backward();
    } else {
      dense_forward(LayerPart::kFfnForward);
      if (s_.training) dense_backward();
    }
    if (s_.training) attention_backward();
    collectives();
    return list_.take();
  }

  std::vector<Kernel> head() {
    const i64 vocab = c_.vocab_size / s_.tensor_ranks;
    const double logits = t_ * static_cast<double>(vocab);
    list_.gemm_bf16("head", LayerPart::kFfnForward, {s_.tokens, vocab, c_.hidden_size},
                    KernelClass::kGemm);
    list_.memory("loss", LayerPart::kFfnForward, KernelClass::kAdd, logits, 2.0);
    list_.memory("loss backward", LayerPart::kFfnBackward, KernelClass::kAdd, logits, 4.0);
    list_.gemm_bf16("head dgrad", LayerPart::kFfnBackward, {s_.tokens, c_.hidden_size, vocab},
                    KernelClass::kGemm);
    list_.gemm_bf16("head wgrad", LayerPart::kFfnWeights, {vocab, c_.hidden_size, s_.tokens},
                    KernelClass::kWeightGradient);
    return list_.take();
  }

 private:
  // ---- attention

  double qk() const { return static_cast<double>(heads_ * c_.qk_head_dim()); }
  double v() const { return static_cast<double>(heads_ * c_.value_head_dim()); }
  double latents() const {
    return c_.is_mla() ? static_cast<double>(c_.q_lora_rank + c_.kv_lora_rank) : 0.0;
  }

  AttentionShape core() const {
    return {.tokens = t_,
            .seq_len = s_.seq_len,
            .heads = heads_,
            .qk_dim = c_.qk_head_dim(),
            .v_dim = c_.value_head_dim()};
  }

  void attention_products(LayerPart part, bool up_projections_alone) {
    for (const LinearShape& w : attention_linears(c_, s_.tensor_ranks)) {
      if (up_projections_alone && !w.up_projection) continue;
      const std::string name = up_projections_alone ? w.name + " again" : w.name;
      list_.cast(name + " input", part, t_ * static_cast<double>(w.in));
      list_.gemm(name, part, {s_.tokens, w.out, w.in}, KernelClass::kGemm);
    }
  }

  void attention_forward() {
    constexpr auto kPart = LayerPart::kAttentionForward;
    list_.memory("norms", kPart, KernelClass::kNorm, 2.0 * own_ * d_, 4.0);
    list_.memory("latent norms", kPart, KernelClass::kNorm, t_ * latents(), 4.0);
    attention_products(kPart, false);
    list_.memory("rope and copies", kPart, KernelClass::kRope, t_ * (2.0 * qk() + v()), 4.0);
    list_.attention(kPart, core());
    if (list_.fp8() && s_.training) {
      list_.memory("attention output, kept in E5M6", kPart, KernelClass::kCast, t_ * v(),
                   2.0 + kE5M6Bytes);
    }
    list_.cast("FFN input", kPart, own_ * d_);
    list_.memory("residual", kPart, KernelClass::kAdd, own_ * d_, 6.0);
  }

  void attention_backward() {
    constexpr auto kPart = LayerPart::kAttentionBackward;
    if (s_.moe) router(kPart, list_.cluster().kernels.router_backward_us);
    list_.memory("norms backward", kPart, KernelClass::kNorm, 2.0 * own_ * d_, 6.0);
    list_.memory("latent norms backward", kPart, KernelClass::kNorm, t_ * latents(), 6.0);
    list_.memory("residual backward", kPart, KernelClass::kAdd, own_ * d_, 16.0);
    recompute_attention();
    if (list_.fp8()) {
      list_.memory("attention output, from E5M6", kPart, KernelClass::kCast, t_ * v(),
                   2.0 + kE5M6Bytes);
    }
    list_.memory("around attention backward", kPart, KernelClass::kAttentionEdges,
                 t_ * (4.0 * v() + 6.0 * qk()), 1.0);
    list_.attention(kPart, core());
    list_.memory("rope and copies backward", kPart, KernelClass::kRope, t_ * (2.0 * qk() + v()),
                 4.0);
    for (const LinearShape& w : attention_linears(c_, s_.tensor_ranks)) {
      list_.cast(w.name + " gradient", kPart, t_ * static_cast<double>(w.out));
      linear_backward(w.name, kPart, LayerPart::kAttentionWeights, s_.tokens, w.out, w.in);
    }
  }

  void recompute_attention() {
    constexpr auto kPart = LayerPart::kAttentionBackward;
    if (s_.recompute_all) return repeat_forward(kPart);
    if (!s_.recompute) return;
    list_.memory("norms again", kPart, KernelClass::kNorm, own_ * d_, 4.0);
    list_.memory("latent norms again", kPart, KernelClass::kNorm, t_ * latents(), 4.0);
    attention_products(kPart, true);
    list_.memory("rope and copies again", kPart, KernelClass::kRope, t_ * (2.0 * qk() + v()), 4.0);
  }

  /// Full recompute: the forward pass stands once more before the backward one.
  void repeat_forward(LayerPart part) {
    list_.memory("norms again", part, KernelClass::kNorm, 2.0 * own_ * d_, 4.0);
    attention_products(part, false);
    list_.memory("rope and copies again", part, KernelClass::kRope, t_ * (2.0 * qk() + v()), 4.0);
    list_.fixed("attention core again", part, KernelClass::kAttention,
                attention_forward_time(list_.cluster(), core(), s_.sms));
  }

  /// dgrad and wgrad of y = x W^T, with what they need transposed in FP8: the weight for dgrad,
  /// both operands for wgrad.
  void linear_backward(const std::string& name, LayerPart part, LayerPart weights, i64 rows,
                       i64 out, i64 in) {
    const auto w = static_cast<double>(out * in), r = static_cast<double>(rows);
    list_.transpose(name + " weight transposed", part, w, 2.0);
    list_.gemm(name + " dgrad", part, {rows, in, out}, KernelClass::kGemm);
    list_.transpose(name + " operands transposed", part, r * static_cast<double>(out + in), 3.0);
    list_.gemm(name + " wgrad", weights, {out, in, rows}, KernelClass::kWeightGradient);
  }

  // ---- feed-forward

  void ffn_forward(const std::string& name, LayerPart part, i64 rows, i64 width) {
    const double n = static_cast<double>(rows) * static_cast<double>(width);
    list_.gemm(name + " gate_up", part, {rows, 2 * width, c_.hidden_size}, KernelClass::kGemm);
    list_.memory(name + " SwiGLU", part, KernelClass::kSwiglu, n, list_.fp8() ? 5.0 : 6.0);
    if (s_.training) list_.cast(name + " gate_up kept", part, 2.0 * n);
    list_.gemm(name + " down", part, {rows, c_.hidden_size, width}, KernelClass::kGemm);
  }

  void ffn_backward(const std::string& name, i64 rows, i64 width) {
    constexpr auto kPart = LayerPart::kFfnBackward;
    const double n = static_cast<double>(rows) * static_cast<double>(width);
    list_.transpose(name + " gate_up from FP8", kPart, 2.0 * n, 3.0);
    linear_backward(name + " down", kPart, LayerPart::kFfnWeights, rows, c_.hidden_size, width);
    list_.memory(name + " SwiGLU backward", kPart, KernelClass::kSwiglu, n, 11.0);
    list_.cast(name + " gate_up gradient", kPart, 2.0 * n);
    linear_backward(name + " gate_up", kPart, LayerPart::kFfnWeights, rows, 2 * width,
                    c_.hidden_size);
  }

  i64 dense_width() const { return c_.intermediate_size / s_.tensor_ranks; }

  void dense_forward(LayerPart part) { ffn_forward("dense", part, s_.tokens, dense_width()); }

  void dense_backward() {
    if (s_.recompute_all) dense_forward(LayerPart::kFfnBackward);
    list_.memory("norm again", LayerPart::kFfnBackward, KernelClass::kNorm, own_ * d_, 4.0);
    list_.cast("FFN gradient", LayerPart::kFfnBackward, own_ * d_);
    ffn_backward("dense", s_.tokens, dense_width());
  }

  i64 own_tokens() const { return s_.tokens / s_.tensor_ranks; }
  i64 local_experts() const { return std::max<i64>(1, c_.n_routed_experts / s_.expert_ranks); }
  /// Rows a local expert gets when routing is even.
  i64 expert_rows() const {
    const i64 even =
        ceil_div(own_tokens() * c_.num_experts_per_tok * s_.expert_ranks, c_.n_routed_experts);
    return static_cast<i64>(std::ceil(static_cast<double>(even) * s_.expert_load));
  }
  double rows() const {
    return own_ * static_cast<double>(c_.num_experts_per_tok) * s_.expert_load;
  }
  double expert_width() const { return static_cast<double>(c_.moe_intermediate_size); }
  /// Rows that arrive: one for each token and GPU, however many of its experts it wants.
  double arriving() const {
    return own_ * exchange_reach(c_, s_.expert_ranks, list_.cluster().node.gpus).ranks *
           s_.expert_load;
  }

  void router(LayerPart part, double us) {
    list_.fixed("router", part, KernelClass::kRouter, microseconds(us * own_ / kTableTokens));
  }

  void grouped(const std::string& name, LayerPart part, i64 out, i64 in) {
    list_.gemm(name, part, {expert_rows(), out, in, local_experts()}, KernelClass::kGroupedGemm);
  }

  void permute(LayerPart part, const char* expand, const char* reduce) {
    const double number = list_.fp8() ? 1.0 : 2.0;
    list_.memory(expand, part, KernelClass::kPermute, 2.0 * rows() * d_, number);
    list_.memory(reduce, part, KernelClass::kPermute, (rows() + arriving()) * d_, 2.0);
  }

  void moe_forward(LayerPart part) {
    const i64 f = c_.moe_intermediate_size, shared = f * c_.n_shared_experts;
    list_.fixed("mapping", part, KernelClass::kPermute,
                microseconds(list_.cluster().kernels.mapping_us * own_ / kTableTokens));
    permute(part, "rows to experts", "rows of experts summed");
    grouped("experts gate_up", part, 2 * f, c_.hidden_size);
    list_.memory("experts SwiGLU", part, KernelClass::kSwiglu, rows() * expert_width(),
                 list_.fp8() ? 5.0 : 6.0);
    if (s_.training) {
      list_.cast("experts gate_up kept", part, 2.0 * rows() * expert_width());
    }
    grouped("experts down", part, c_.hidden_size, f);
    if (shared > 0) ffn_forward("shared", part, own_tokens(), shared);
  }

  void moe_backward() {
    constexpr auto kPart = LayerPart::kFfnBackward;
    const i64 f = c_.moe_intermediate_size, shared = f * c_.n_shared_experts;
    if (s_.recompute_all) moe_forward(kPart);
    list_.memory("norm again", kPart, KernelClass::kNorm, own_ * d_, 4.0);
    list_.cast("FFN input again", kPart, own_ * d_);
    permute(kPart, "gradient rows to experts", "gradient rows summed");
    experts_backward(f);
    if (shared > 0) ffn_backward("shared", own_tokens(), shared);
  }

  void experts_backward(i64 f) {
    constexpr auto kPart = LayerPart::kFfnBackward;
    const double n = rows() * expert_width();
    const auto weights = static_cast<double>(local_experts() * f * c_.hidden_size);
    list_.transpose("experts gate_up from FP8", kPart, 2.0 * n, 3.0);
    list_.transpose("experts weights transposed", kPart, 3.0 * weights, 2.0);
    grouped("experts down dgrad", kPart, f, c_.hidden_size);
    list_.memory("experts SwiGLU backward", kPart, KernelClass::kSwiglu, n, 15.0);
    list_.transpose("experts SwiGLU transposed", kPart, n, 3.0);
    list_.cast("experts gate_up gradient", kPart, 2.0 * n);
    list_.transpose("experts gate_up gradient transposed", kPart, 2.0 * n, 3.0);
    grouped("experts gate_up dgrad", kPart, c_.hidden_size, 2 * f);
    list_.transpose("experts rows transposed", LayerPart::kFfnWeights, rows() * d_, 2.0);
    list_.transpose("experts gradients transposed", LayerPart::kFfnWeights, rows() * d_, 3.0);
    expert_weight_gradient("experts gate_up wgrad", 2 * f, c_.hidden_size);
    expert_weight_gradient("experts down wgrad", c_.hidden_size, f);
  }

  /// A launch an expert: each ends with a wave of its own.
  void expert_weight_gradient(const std::string& name, i64 out, i64 in) {
    for (i64 e = 0; e < local_experts(); ++e) {
      list_.gemm(name, LayerPart::kFfnWeights, {out, in, expert_rows()},
                 KernelClass::kWeightGradient);
    }
  }

  /// With tensor parallelism, rows are gathered before attention and scattered behind it, in both
  /// passes, over NVLink; a dense FFN does the same.
  void collectives() {
    if (s_.tensor_ranks == 1) return;
    const auto ranks = static_cast<double>(s_.tensor_ranks);
    const Bytes moved(t_ * d_ * 2.0 * (ranks - 1.0) / ranks);
    const Seconds time = moved / list_.cluster().nvlink_rate();
    const auto both = [&](LayerPart part) {
      list_.fixed("gather rows", part, KernelClass::kCollective, time);
      list_.fixed("scatter rows", part, KernelClass::kCollective, time);
    };
    both(LayerPart::kAttentionForward);
    if (!s_.moe) both(LayerPart::kFfnForward);
    if (!s_.training) return;
    both(LayerPart::kAttentionBackward);
    if (!s_.moe) both(LayerPart::kFfnBackward);
  }

  const ModelConfig& c_;
  const LayerSetting& s_;
  KernelList list_;
  double t_;    // tokens of the products of attention
  double own_;  // tokens whose norms, router and experts this GPU does
  double d_;
  i64 heads_;
};

constexpr std::array<std::string_view, kNumLayerParts> kPartNames = {
    "attention, forward", "FFN, forward",       "attention, backward",
    "FFN, backward",      "attention, weights", "FFN, weights"};
constexpr std::array<std::string_view, kNumKernelClasses> kClassNames = {
    "GEMM", "grouped GEMM", "weight gradients", "attention", "attention backward",
    "cast", "transpose",    "SwiGLU",           "permute",   "norm",
    "rope", "elementwise",  "around attention", "router",    "tensor-parallel rows"};

template <typename Which>
Seconds sum_where(const std::vector<Kernel>& kernels, Which&& which) {
  Seconds sum;
  for (const Kernel& kernel : kernels) {
    if (which(kernel)) sum += kernel.time;
  }
  return sum;
}

}  // namespace

std::string_view to_string(LayerPart part) { return kPartNames[static_cast<size_t>(part)]; }
std::string_view to_string(KernelClass kind) { return kClassNames[static_cast<size_t>(kind)]; }

std::vector<Kernel> layer_kernels(const Cluster& cluster, const ModelConfig& config,
                                  const LayerSetting& setting) {
  return Builder(cluster, config, setting).layer();
}

std::vector<Kernel> head_kernels(const Cluster& cluster, const ModelConfig& config,
                                 const LayerSetting& setting) {
  return Builder(cluster, config, setting).head();
}

Seconds part_time(const std::vector<Kernel>& kernels, LayerPart part) {
  return sum_where(kernels, [part](const Kernel& kernel) { return kernel.part == part; });
}
Seconds class_time(const std::vector<Kernel>& kernels, KernelClass kind) {
  return sum_where(kernels, [kind](const Kernel& kernel) { return kernel.kind == kind; });
}
Seconds total_time(const std::vector<Kernel>& kernels) {
  return sum_where(kernels, [](const Kernel&) { return true; });
}

}  // namespace fathom::plan
