#pragma once
// The batched pass over all decoding sequences.
#include <span>
#include <vector>

#include "engine/run/sequence.h"
#include "model/model.h"

namespace fathom::engine {

/// Runs each sequence's Sequence::step_ids, its last token and drafts after it, in one pass. Keeps
/// its buffers: once they are as large as they get, a pass allocates nothing.
class DecodePass {
 public:
  DecodePass(Ctx& ctx, const model::Model& model, const model::RunOptions& options, bool hidden)
      : ctx_(ctx), model_(model), options_(options), wants_hidden_(hidden) {}

  /// Appends the rows of step_ids to the caches.
  void run(std::span<Sequence* const> sequences);

  /// Tokens of the pass, and what they see: (query, key) pairs.
  i64 rows() const { return rows_; }
  i64 pairs() const { return pairs_; }
  i64 first_row(size_t sequence) const { return first_rows_[sequence]; }
  /// [vocab]; the sampler uses it as scratch.
  View<float, 1> logits(i64 row) { return {logits_.data() + row * vocab(), {vocab()}}; }
  /// [rows, hidden], after the final norm.
  View<const float, 2> hidden() const { return {hidden_.data(), {rows_, width()}}; }

 private:
  i64 vocab() const { return model_.config().vocab_size; }
  i64 width() const { return model_.config().hidden_size; }

  Ctx& ctx_;
  const model::Model& model_;
  model::RunOptions options_;
  bool wants_hidden_;
  i64 rows_ = 0, pairs_ = 0;
  std::vector<model::SequenceStep> steps_;
  std::vector<i64> first_rows_;
  std::vector<float> logits_, hidden_;
};

}  // namespace fathom::engine
