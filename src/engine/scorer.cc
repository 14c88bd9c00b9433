#include "engine/scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace fathom::engine {
namespace {

/// Runs windows over the ids and collects log-probabilities of tokens not scored before.
class Scorer {
 public:
  Scorer(Ctx& ctx, const model::Model& model, std::span<const i32> ids, const ScoreOptions& options,
         const OnLogits& on_logits)
      : ids_(ids),
        stride_(options.stride_tokens),
        context_(std::min(options.engine.context_tokens, std::ssize(ids))),
        vocab_(model.config().vocab_size),
        on_logits_(on_logits),
        engine_(make_engine(ctx, model, /*tokenizer=*/nullptr, engine_options(options))) {
    score_.log_probs.assign(ids.size(), std::numeric_limits<double>::quiet_NaN());
  }

  Score run() {
    const i64 count = std::ssize(ids_);
    for (i64 begin = 0;; begin += stride_) {
      const i64 end = std::min(count, begin + context_);
      run_window(begin, end);
      ++score_.windows;
      if (end == count) break;
    }
    for (size_t i = 1; i < ids_.size(); ++i) score_.total_log_prob += score_.log_probs[i];
    return std::move(score_);
  }

 private:
  EngineOptions engine_options(const ScoreOptions& options) const {
    EngineOptions engine = options.engine;
    engine.context_tokens = context_;
    engine.draft_tokens = 0;
    return engine;
  }

  void run_window(i64 begin, i64 end) {
    GenerateRequest request;
    const auto window = ids_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    request.prompt_ids.assign(window.begin(), window.end());
    request.max_tokens = 0;
    request.cache_use = CacheUse::kNone;
    if (end < std::ssize(ids_)) request.scored_next_id = ids_[static_cast<size_t>(end)];
    request.prompt_log_probs_from = on_logits_ ? 0 : std::max<i64>(scored_ - begin, 1);
    if (on_logits_) {
      request.on_prompt_logits = [this](const float* logits, i64 rows) {
        on_logits_({logits, {rows, vocab_}});
      };
    }
    const Submission submission = value_or_throw(engine_->submit(std::move(request)));
    FATHOM_CHECK(submission.stream != nullptr, "an engine of its own refused a window");
    Events news;
    i64 at = std::max<i64>(scored_, begin + 1);
    while (!submission.stream->done()) {
      engine_->step();
      submission.stream->try_read(news);
      for (const Event& event : news.events) {
        if (event.kind == Event::Kind::kPromptToken) {
          score_.log_probs[static_cast<size_t>(at++)] = event.log_prob;
        } else if (event.reason == FinishReason::kError) {
          throw Error(ErrorCode::kInvalidInput, submission.stream->error());
        }
      }
    }
    scored_ = std::max(scored_, end + 1);  // the last row predicted the token after the window
  }

  std::span<const i32> ids_;
  i64 stride_, context_, vocab_;
  const OnLogits& on_logits_;
  std::unique_ptr<Engine> engine_;
  i64 scored_ = 1;  // tokens before this index have their log-probability
  Score score_;
};

}  // namespace

Score score_tokens(Ctx& ctx, const model::Model& model, std::span<const i32> ids,
                   const ScoreOptions& options, const OnLogits& on_logits) {
  const i64 context = options.engine.context_tokens;
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
