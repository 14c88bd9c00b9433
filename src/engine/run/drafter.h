#pragma once
// Drafts by the checkpoint's multi-token-prediction modules.
#include <span>
#include <vector>

#include "engine/run/sequence.h"
#include "model/model.h"

namespace fathom::engine {

/// How many tokens to draft for a sequence.
struct DraftWish {
  Sequence* sequence = nullptr;
  i64 tokens = 0;
};

/// Greedy drafts. Draft j comes from the module of depth j, from there on the last module applied
/// again to its own state; what a module made of drafts is made anew once the tokens are known.
/// A module's row for position i needs h^{k-1}_i and the token k places on (DeepSeek-V3 §2.2):
/// states wait for it in Sequence::waiting. Drafts change nothing but speed: the target verifies
/// them, so nothing here needs to repeat to the bit.
class Drafter {
 public:
  /// Drafts are below `num_ids`.
  Drafter(Ctx& ctx, const model::Model& model, const model::RunOptions& options, i64 num_ids);

  i64 depths() const { return depths_; }
  /// In all, for rows that no draft asked for.
  double seconds_for_nobody() const { return seconds_for_nobody_; }

  /// The rows of the first `tokens` tokens are there, or will never be made.
  void begin(Sequence& sequence, i64 tokens) const;
  /// A prompt's rows from position `begin` on are there, with their states `hidden` [tokens,
  /// hidden].
  void prefilled(Sequence& sequence, i64 begin, View<const float, 2> hidden);
  /// The same of decoding: states of the positions that follow the last ones. They wait for
  /// draft(). Once many wait their rows are made, if that is next to nothing beside the `token_s`
  /// seconds that decoding a token takes; else the oldest are forgotten, and later drafts see only
  /// zeros there.
  void decoded(Sequence& sequence, View<const float, 2> hidden, double token_s);

  /// Puts drafts behind the last token of each into step_ids, in batches; fewer where no draft is
  /// a number. A sequence must want at least one, have had its decoded() states, and have pages for
  /// its tokens and the drafts.
  void draft(std::span<const DraftWish> wishes);

 private:
  struct Drafting {
    Sequence* sequence;
    i64 tokens;   // wanted
    i64 row = 0;  // of the last batch's states: where its own end
  };

  i64 width() const { return model_.config().hidden_size; }
  void keep(WaitingStates& waiting, i64 begin, const float* states, i64 count) const;
  void clear_batch();
  void add_rows(Sequence& sequence, i64 depth, i64 begin, i64 rows, const float* states);
  void run(model::StepForm form, bool logits);
  void run_module(i64 depth);
  void run_last_again(i64 draft);
  void take_drafts();
  void make_known_rows(Sequence& sequence);
  void forget_oldest(Sequence& sequence) const;

  Ctx& ctx_;
  const model::Model& model_;
  model::RunOptions options_;
  i64 depths_, num_ids_;

  double row_s_ = 0.0;  // what a row made for nobody takes; 0: not known yet
  bool rows_are_cheap_ = true;
  i64 times_forgotten_ = 0;
  double seconds_for_nobody_ = 0.0;
  std::vector<Drafting> drafting_;
  // One batch: rows of several sequences, the token of each row, and what the module makes of them.
  std::vector<model::MtpStep> steps_;
  std::vector<Drafting*> owners_;
  std::vector<i32> next_ids_;
  i64 rows_ = 0;
  std::vector<float> states_in_, states_out_, logits_;
};

}  // namespace fathom::engine
