#include "engine/run/prefill_pass.h"

#include <algorithm>

#include "engine/run/buffers.h"

namespace fathom::engine {
void PrefillPass::make_steps() {
  steps_.clear();
  tokens_ = 0;
  for (const PrefillItem& item : items_) {
    steps_.push_back({.token_ids = std::span<const i32>(item.sequence->ids)
                                       .subspan(static_cast<size_t>(item.begin),
                                                static_cast<size_t>(item.tokens)),
                      .cache = &item.sequence->cache,
                      .logits = item.logits,
                      .form = model::StepForm::kPrefill});
    tokens_ += item.tokens;
  }
}

void PrefillPass::start(std::span<const PrefillItem> items) {
  items_.assign(items.begin(), items.end());
  layer_ = 0;
  make_steps();
  if (items_.empty()) return;
  grow(x_, tokens_ * width());
  model_.embed(ctx_, steps_, residual());
}

void PrefillPass::run_layer(const std::function<void()>& pause) {
  model::RunOptions options = options_;
  options.pause = &pause;
  model_.run_layers(ctx_, steps_, options, layer_, layer_ + 1, residual());
  ++layer_;
}

void PrefillPass::finish() {
  const i64 rows = model::Model::logits_rows(steps_);
  grow(logits_, rows * vocab());
  if (wants_hidden_) grow(hidden_, tokens_ * width());
  model_.finish(
      ctx_, steps_, options_, residual(),
      rows == 0 ? View<float, 2>() : View<float, 2>(logits_.data(), {rows, vocab()}),
      wants_hidden_ ? View<float, 2>(hidden_.data(), {tokens_, width()}) : View<float, 2>());
  std::swap(finished_, items_);
  items_.clear();
  rows_.clear();
  logits_rows_.clear();
  i64 row = 0, logits_row = 0;
  for (size_t i = 0; i < finished_.size(); ++i) {
    rows_.push_back(row);
    logits_rows_.push_back(logits_row);
    row += finished_[i].tokens;
    logits_row += model::Model::logits_rows({&steps_[i], 1});
  }
}

void PrefillPass::remove(const Sequence& sequence) {
  i64 row = 0;
  for (auto item = items_.begin(); item != items_.end(); ++item) {
    if (item->sequence != &sequence) {
      row += item->tokens;
      continue;
    }
    float* gap = x_.data() + row * width();
    std::copy(gap + item->tokens * width(), x_.data() + tokens_ * width(), gap);
    items_.erase(item);
    make_steps();
    return;
  }
}

}  // namespace fathom::engine
