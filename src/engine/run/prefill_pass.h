#pragma once
// A chunk of prompts on its way through the layers.
#include <functional>
#include <span>
#include <vector>

#include "engine/run/sequence.h"
#include "model/model.h"

namespace fathom::engine {

/// Tokens [begin, begin + tokens) of a prompt, of which so many at the end want logits.
struct PrefillItem {
  Sequence* sequence = nullptr;
  i64 begin = 0;
  i64 tokens = 0;
  model::LogitRows logits = model::LogitRows::kNone;
};

/// The forward pass of a chunk, a layer at a time; between two calls other passes may run, and in
/// the pauses of one.
/// Results depend neither on that nor on what else is in the chunk.
class PrefillPass {
 public:
  PrefillPass(Ctx& ctx, const model::Model& model, const model::RunOptions& options, bool hidden)
      : ctx_(ctx), model_(model), options_(options), wants_hidden_(hidden) {}

  bool active() const { return !items_.empty(); }
  std::span<const PrefillItem> items() const { return items_; }

  /// Begins a chunk.
  void start(std::span<const PrefillItem> items);
  /// `pause` is called in the midst of it (RunOptions::pause): other sequences may decode there.
  void run_layer(const std::function<void()>& pause);
  /// After the last layer: logits, and the rows count in the caches. The chunk is over.
  void finish();
  /// Takes a sequence out of the chunk under way.
  void remove(const Sequence& sequence);
  void forget_finished() { finished_.clear(); }

  // What finish() left, of the same items in the same order.
  std::span<const PrefillItem> finished() const { return finished_; }
  /// The item's row of logits and of hidden.
  i64 first_logits_row(size_t item) const { return logits_rows_[item]; }
  i64 first_row(size_t item) const { return rows_[item]; }
  View<float, 2> logits(i64 row, i64 count) {
    return {logits_.data() + row * vocab(), {count, vocab()}};
  }
  /// [tokens, hidden] of the item, after the final norm.
  View<const float, 2> hidden(size_t item) const {
    return {hidden_.data() + rows_[item] * width(), {finished_[item].tokens, width()}};
  }

 private:
  i64 vocab() const { return model_.config().vocab_size; }
  i64 width() const { return model_.config().hidden_size; }
  void make_steps();
  View<float, 2> residual() { return {x_.data(), {tokens_, width()}}; }

  Ctx& ctx_;
  const model::Model& model_;
  model::RunOptions options_;
  bool wants_hidden_;
  i64 layer_ = 0, tokens_ = 0;
  std::vector<PrefillItem> items_, finished_;
  std::vector<model::SequenceStep> steps_;
  std::vector<i64> rows_, logits_rows_;
  std::vector<float> x_, logits_, hidden_;  // [tokens, hidden], [rows, vocab], [tokens, hidden]
};

}  // namespace fathom::engine
