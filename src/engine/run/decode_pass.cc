#include "engine/run/decode_pass.h"

#include "engine/run/buffers.h"

namespace fathom::engine {

void DecodePass::run(std::span<Sequence* const> sequences) {
  rows_ = pairs_ = 0;
  steps_.clear();
  first_rows_.clear();
  for (Sequence* sequence : sequences) {
    const i64 tokens = std::ssize(sequence->step_ids), held = sequence->cache.length();
    steps_.push_back({.token_ids = sequence->step_ids,
                      .cache = &sequence->cache,
                      .logits = model::LogitRows::kAll,
                      .form = model::StepForm::kDecode});
    first_rows_.push_back(rows_);
    rows_ += tokens;
    pairs_ += tokens * held + tokens * (tokens + 1) / 2;
  }
  if (rows_ == 0) return;
  grow(logits_, rows_ * vocab());
  if (wants_hidden_) grow(hidden_, rows_ * width());
  model_.forward(
      ctx_, steps_, options_, {logits_.data(), {rows_, vocab()}},
      wants_hidden_ ? View<float, 2>(hidden_.data(), {rows_, width()}) : View<float, 2>());
}

}  // namespace fathom::engine
