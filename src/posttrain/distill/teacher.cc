#include "posttrain/distill/teacher.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fathom::posttrain {

Teacher::Teacher(Ctx& ctx, const TeacherChoice& choice, i64 longest)
    : choice_(choice),
      model_(model::Model::load(ctx, choice.directory.string())),
      log_probs_(static_cast<size_t>(choice.num_ids)) {
  const i64 vocab = model_->config().vocab_size;
  if (vocab < choice.num_ids) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("distill.teacher: {}: config.json: vocab_size: found {}, expected at "
                            "least the {} ids of the tokenizer",
                            choice.directory.string(), vocab, choice.num_ids));
  }
  engine::ScoreOptions options;
  options.engine.context_tokens = longest;
  options.engine.cache_dtype = ops::CacheDType::kF32;
  options.engine.run.activations = ops::Activations::kF32;
  options.engine.cost_measurement_s = 0.0;
  scorer_ = std::make_unique<engine::Scorer>(ctx, *model_, options);
}

void Teacher::ask(std::span<const i32> ids, std::span<const u8> marks,
                  const std::function<void(const TeacherRow&)>& write) {
  i64 token = 0;
  scorer_->score(ids, [&](View<const float, 2> logits) {
    for (i64 row = 0; row < logits.dim(0); ++row, ++token) {
      const auto next = static_cast<size_t>(token + 1);
      if (next >= ids.size() || marks[next] == 0) continue;
      // Ids that no token has stay out of the distribution.
      log_softmax({logits.row(row), log_probs_.size()}, choice_.key.temperature, log_probs_);
      check_finite(next, ids.size());
      write(teacher_row(log_probs_, choice_.key.top_k));
    }
  });
}

void Teacher::check_finite(size_t token, size_t tokens) const {
  const auto bad = std::ranges::find_if(log_probs_, [](float p) { return !std::isfinite(p); });
  if (bad == log_probs_.end()) return;
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("distill.teacher: {}: its log-probability of id {} at token {} of a "
                  "sample of {} is {}, expected a finite number",
                  choice_.directory.string(), bad - log_probs_.begin(), token, tokens, *bad));
}

}  // namespace fathom::posttrain
