#pragma once
// What every layer of one step shares: the packed batch, the config and how to run.
#include <span>

#include "model/attention/kv_cache_rows.h"
#include "model/run_options.h"
#include "ops/elementwise/rope.h"

namespace fathom::model {

/// One sequence's rows of the packed arrays [tokens, ...]: rows [row_begin, row_begin + tokens)
/// hold its new tokens, at absolute positions [position_begin, position_begin + tokens).
struct BatchSequence {
  i64 row_begin = 0;
  i64 tokens = 0;
  i64 position_begin = 0;  // rows that its cache holds before this step
  MlaForm mla_form = MlaForm::kExpanded;
  const KvCache::Impl* cache = nullptr;
};

struct StepContext {
  Ctx& ctx;
  const ModelConfig& config;
  const ops::RopeTable& rope;
  const RunOptions& options;
  View<const i64, 1> positions;  // [tokens] absolute, in the order of the packed rows
  std::span<const BatchSequence> sequences;
  bool prefill = false;  // Linears have the tokens of all sequences in the lanes

  /// The same step on another context: of one thread, for units that are ops themselves.
  StepContext on(Ctx& other) const {
    return {other, config, rope, options, positions, sequences, prefill};
  }

  ops::LinearMode linear_mode() const { return {options.activations, prefill}; }
  /// Of the products with kv_b_proj in absorbed form, and of the attention between them: FP8
  /// recipes have none, so they see their input unrounded.
  ops::Activations absorbed_activations() const {
    const bool rounds = options.activations == ops::Activations::kBf16 ||
                        options.activations == ops::Activations::kInt8;
    return rounds ? options.activations : ops::Activations::kF32;
  }
  /// Attention with queries in the lanes and BF16 operands, where there are kernels for it.
  bool prefill_attention() const {
    return prefill && options.activations != ops::Activations::kF32;
  }
};

/// With StepForm::kAuto a sequence with so many new tokens is prefilled: its Linears run with
/// tokens in the lanes. The number of a sequence's own tokens decides, never the other rows of the
/// batch (Model::forward sees to that).
inline constexpr i64 kPrefillTokens = 32;

/// Keys are read from the cache in tiles of this many positions, counted from position 0 whatever
/// is new: a query is then multiplied with the same tiles for any chunking of the prompt, so its
/// sums run in the same order, and the memory of the up-projected keys does not grow with the
/// context.
inline constexpr i64 kKeyTileTokens = 256;

/// x [rows, heads * dim] as [rows, heads, dim]; x's rows may be strided.
template <typename T>
View<T, 3> as_heads(View<T, 2> x, i64 heads) {
  FATHOM_CHECK(x.dim(1) % heads == 0, "x ", x, " cut into ", heads, " heads");
  const i64 dim = x.dim(1) / heads;
  return {x.data(), {x.dim(0), heads, dim}, {x.stride(0), dim, 1}};
}

/// Head `head` of x [rows, heads, dim] as [rows, dim], strided.
template <typename T>
View<T, 2> one_head(View<T, 3> x, i64 head) {
  return {x.data() + head * x.stride(1), {x.dim(0), x.dim(2)}, {x.stride(0), x.stride(2)}};
}

}  // namespace fathom::model
