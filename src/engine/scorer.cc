#include "engine/scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "engine/prefill.h"
#include "model/attention/kv_cache.h"
#include "ops/elementwise/elementwise.h"

namespace fathom::engine {
namespace {

constexpr i64 kLogitBytes = i64{64} << 20;  // of one chunk: V3's head is 0.5 MB a token

/// Runs windows over the ids and collects log-probabilities of tokens not scored before.
class Scorer {
 public:
  Scorer(Ctx& ctx, const model::Model& model, std::span<const i32> ids, const ScoreOptions& options,
         const OnLogits& on_logits)
      : ctx_(ctx),
        model_(model),
        ids_(ids),
        options_(options),
        on_logits_(on_logits),
        vocab_(model.config().vocab_size),
        chunk_(std::clamp(kLogitBytes / (vocab_ * i64{sizeof(float)}), i64{1},
                          options.session.prefill_chunk_tokens)),
        logits_(static_cast<size_t>(chunk_ * vocab_)) {
    score_.log_probs.assign(ids.size(), std::numeric_limits<double>::quiet_NaN());
  }

  Score run() {
    const auto count = static_cast<i64>(ids_.size());
    const i64 context = std::min(options_.session.context_tokens, count);
    model::KvCache cache(model_.config(), options_.session.cache_dtype, context);
    for (i64 begin = 0;; begin += options_.stride_tokens) {
      const i64 end = std::min(count, begin + context);
      cache.truncate(0);
      run_window(cache, begin, end);
      ++score_.windows;
      if (end == count) break;
    }
    for (size_t i = 1; i < ids_.size(); ++i) score_.total_log_prob += score_.log_probs[i];
    return std::move(score_);
  }

 private:
  void run_window(model::KvCache& cache, i64 begin, i64 end) {
    // Rows before `scored_ - 1` only fill the cache: their successors are scored already.
    const i64 wanted = on_logits_ ? begin : std::clamp(scored_ - 1, begin, end);
    run_rows(cache, begin, wanted, {.all_logits = false}, {});
    run_rows(cache, wanted, end, {.all_logits = true},
             [&](i64 row, View<const float, 2> logits) { score_rows(wanted + row, logits); });
    scored_ = std::max(scored_, end + 1);  // the last row predicted the token after the window
  }

  void run_rows(model::KvCache& cache, i64 begin, i64 end, PrefillOptions options,
                const OnChunk& on_chunk) {
    options.chunk_tokens = chunk_;
    options.run = options_.session.run;
    const auto ids = ids_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    prefill(ctx_, model_, cache, ids, options, {logits_.data(), {chunk_, vocab_}}, on_chunk);
  }

  /// `logits` [rows, vocab] are of the tokens from `at` on, and score those from `at` + 1 on.
  void score_rows(i64 at, View<const float, 2> logits) {
    if (on_logits_) on_logits_(logits);
    const i64 targets = std::min(logits.dim(0), static_cast<i64>(ids_.size()) - at - 1);
    if (targets <= 0) return;
    ops::token_log_probs(ctx_, logits.slice(0, 0, targets), {ids_.data() + at + 1, {targets}},
                         {score_.log_probs.data() + at + 1, {targets}});
  }

  Ctx& ctx_;
  const model::Model& model_;
  std::span<const i32> ids_;
  const ScoreOptions& options_;
  const OnLogits& on_logits_;
  i64 vocab_;
  i64 chunk_;
  std::vector<float> logits_;  // [chunk, vocab]
  i64 scored_ = 1;             // tokens before this index have their log-probability
  Score score_;
};

}  // namespace

Score score_tokens(Ctx& ctx, const model::Model& model, std::span<const i32> ids,
                   const ScoreOptions& options, const OnLogits& on_logits) {
  const i64 context = options.session.context_tokens;
  if (ids.empty()) throw Error(ErrorCode::kInvalidInput, "nothing to score: no tokens");
  if (on_logits && static_cast<i64>(ids.size()) > context) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{} tokens do not fit the context of {}; logits are written for one "
                            "window only",
                            ids.size(), context));
  }
  ScoreOptions resolved = options;
  if (resolved.stride_tokens == 0) resolved.stride_tokens = std::max<i64>(1, context / 2);
  if (resolved.stride_tokens < 1 || resolved.stride_tokens > std::max<i64>(1, context - 1)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("stride is {}, expected 1 to {} (less than the context)",
                            resolved.stride_tokens, std::max<i64>(1, context - 1)));
  }
  return Scorer(ctx, model, ids, resolved, on_logits).run();
}

}  // namespace fathom::engine
