#include "engine/scorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace fathom::engine {
namespace {

EngineOptions scoring_options(const ScoreOptions& options) {
  EngineOptions engine = options.engine;
  engine.draft_tokens = 0;
  return engine;
}

i64 stride_of(const ScoreOptions& options) {
  const i64 context = options.engine.context_tokens, most = std::max<i64>(1, context - 1);
  const i64 stride =
      options.stride_tokens == 0 ? std::max<i64>(1, context / 2) : options.stride_tokens;
  if (stride < 1 || stride > most) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("stride is {}, expected 1 to {} (less than the context)", stride, most));
  }
  return stride;
}

void check_ids(std::span<const i32> ids, i64 context, bool writes_logits) {
  if (ids.empty()) throw Error(ErrorCode::kInvalidInput, "nothing to score: no tokens");
  if (!writes_logits || std::ssize(ids) <= context) return;
  throw Error(ErrorCode::kInvalidInput,
              fmt::format("{} tokens do not fit the context of {}; logits are written for one "
                          "window only",
                          ids.size(), context));
}

}  // namespace

/// A text on its way, window after window.
struct Scorer::Pass {
  std::span<const i32> ids;
  const OnLogits& on_logits;
  Score score;
  i64 scored = 1;  // tokens before this index have their log-probability
};

Scorer::Scorer(Ctx& ctx, const model::Model& model, const ScoreOptions& options)
    : context_(options.engine.context_tokens),
      stride_(stride_of(options)),
      vocab_(model.config().vocab_size),
      engine_(make_engine(ctx, model, /*tokenizer=*/nullptr, scoring_options(options))) {}

Score Scorer::score(std::span<const i32> ids, const OnLogits& on_logits) {
  check_ids(ids, context_, on_logits != nullptr);
  Pass pass{.ids = ids, .on_logits = on_logits, .score = {}};
  Score& score = pass.score;
  score.log_probs.assign(ids.size(), std::numeric_limits<double>::quiet_NaN());
  const i64 count = std::ssize(ids);
  for (i64 begin = 0;; begin += stride_) {
    const i64 end = std::min(count, begin + context_);
    run_window(pass, begin, end);
    ++score.windows;
    if (end == count) break;
  }
  for (size_t i = 1; i < ids.size(); ++i) score.total_log_prob += score.log_probs[i];
  return std::move(pass.score);
}

void Scorer::run_window(Pass& pass, i64 begin, i64 end) {
  GenerateRequest request;
  const auto window =
      pass.ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  request.prompt_ids.assign(window.begin(), window.end());
  request.max_tokens = 0;
  request.cache_use = CacheUse::kNone;
  if (end < std::ssize(pass.ids)) request.scored_next_id = pass.ids[static_cast<size_t>(end)];
  request.prompt_log_probs_from = pass.on_logits ? 0 : std::max<i64>(pass.scored - begin, 1);
  if (pass.on_logits) {
    request.on_prompt_logits = [this, &pass](const float* logits, i64 rows) {
      pass.on_logits({logits, {rows, vocab_}});
    };
  }
  const Submission submission = value_or_throw(engine_->submit(std::move(request)));
  FATHOM_CHECK(submission.stream != nullptr, "an engine of its own refused a window");
  Events news;
  i64 at = std::max<i64>(pass.scored, begin + 1);
  while (!submission.stream->done()) {
    engine_->step();
    submission.stream->try_read(news);
    for (const Event& event : news.events) {
      if (event.kind == Event::Kind::kPromptToken) {
        pass.score.log_probs[static_cast<size_t>(at++)] = event.log_prob;
      } else if (event.reason == FinishReason::kError) {
        throw Error(ErrorCode::kInvalidInput, submission.stream->error());
      }
    }
  }
  pass.scored = std::max(pass.scored, end + 1);  // the last row predicted the token after
}

Score score_tokens(Ctx& ctx, const model::Model& model, std::span<const i32> ids,
                   const ScoreOptions& options, const OnLogits& on_logits) {
  check_ids(ids, options.engine.context_tokens, on_logits != nullptr);
  ScoreOptions fitting = options;
  fitting.stride_tokens = stride_of(options);
  const i64 count = std::ssize(ids);
  if (count <= options.engine.context_tokens) {
    fitting.engine.context_tokens = count;
    fitting.stride_tokens = 0;  // one window
  }
  return Scorer(ctx, model, fitting).score(ids, on_logits);
}

}  // namespace fathom::engine
