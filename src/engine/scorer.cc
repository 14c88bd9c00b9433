#include "engine/scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "model/kv_cache.h"
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
    for (i64 at = begin; at < end;) {
      // Rows before `scored_ - 1` only fill the cache: their successors are scored already.
      const bool wanted = on_logits_ || at + 1 >= scored_;
      const i64 limit = wanted ? end : std::min(end, scored_ - 1);
      const i64 rows = std::min(chunk_, limit - at);
      run_chunk(cache, at, rows, wanted);
      at += rows;
    }
    scored_ = std::max(scored_, end + 1);  // the last row predicted the token after the window
  }

  void run_chunk(model::KvCache& cache, i64 at, i64 rows, bool wanted) {
    const model::SequenceStep step{
        .token_ids = ids_.subspan(static_cast<size_t>(at), static_cast<size_t>(rows)),
        .cache = &cache,
        .all_logits = wanted};
    const View<float, 2> logits(logits_.data(), {wanted ? rows : 1, vocab_});
    model_.forward(ctx_, {&step, 1}, options_.session.run, logits);
    if (!wanted) return;
    if (on_logits_) on_logits_(logits);
    const i64 targets = std::min(rows, static_cast<i64>(ids_.size()) - at - 1);
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
