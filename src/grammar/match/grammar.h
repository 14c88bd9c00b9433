#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "grammar/match/token_masks.h"

namespace fathom::grammar {

/// A compiled grammar, shared by all who use it; any thread may call. What matching learns is kept
/// from one text to the next. Once that is more than Budget::matching_bytes, texts that begin then
/// start with a fresh copy.
class Grammar {
 public:
  /// `rules` are finished, and `root` can match.
  Grammar(RuleArena rules, Expr root, const Budget& budget);

  /// What to follow a text with, for `vocabulary`; the same object until that is too large.
  std::shared_ptr<TokenMasks> masks(const std::shared_ptr<const Vocabulary>& vocabulary) const;
  /// Of the grammar and what matching added.
  i64 memory_bytes() const;
  const Budget& budget() const { return budget_; }

 private:
  RuleArena rules_;
  Expr root_;
  Budget budget_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<TokenMasks> masks_;  // of the last vocabulary
};

/// Follows one text token by token.
class Matcher {
 public:
  Matcher(std::shared_ptr<const Grammar> grammar,
          const std::shared_ptr<const Vocabulary>& vocabulary);

  /// The tokens that may come; ids beyond it may not. It stays until the next call.
  /// Throws BudgetError, as all below do.
  std::span<const u32> allowed();
  /// False, and nothing changes, if `id` may not come.
  bool accept(i32 id);
  /// The last `count` tokens did not come.
  void roll_back(i64 count);
  /// May the text end here?
  bool may_end() { return masks_->accepting(states_.back()); }
  /// Must it?
  bool must_end() { return may_end() && !masks_->can_go_on(states_.back()); }
  /// The bytes that must come next, at most `limit`.
  std::string forced_bytes(size_t limit) { return masks_->forced_bytes(states_.back(), limit); }
  /// Bytes that must come determine tokens once the model cannot prefer others that say the same:
  /// they are cut as the tokenizer cuts them. -1: none. Depends on the text's state alone.
  i32 forced_token();

 private:
  void forget();

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::shared_ptr<TokenMasks> masks_;
  std::vector<i32> ids_;
  std::vector<Automaton::State> states_;  // before each token, and now
  i64 bytes_after_forgetting_ = 0;        // of masks_
  std::shared_ptr<const TokenSet> allowed_;
};

}  // namespace fathom::grammar
