#include "grammar/match/grammar.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::grammar {

Grammar::Grammar(RuleArena rules, Expr root, const Budget& budget)
    : rules_(std::move(rules)), root_(root), budget_(budget) {}

std::shared_ptr<TokenMasks> Grammar::masks(
    const std::shared_ptr<const Vocabulary>& vocabulary) const {
  const std::scoped_lock lock(mutex_);
  const bool fits = masks_ != nullptr && &masks_->vocabulary() == vocabulary.get() &&
                    masks_->memory_bytes() <= budget_.matching_bytes;
  if (!fits) masks_ = std::make_shared<TokenMasks>(Automaton(rules_, root_, budget_), vocabulary);
  return masks_;
}

i64 Grammar::memory_bytes() const {
  const std::scoped_lock lock(mutex_);
  return rules_.memory_bytes() + (masks_ == nullptr ? 0 : masks_->memory_bytes());
}

Matcher::Matcher(std::shared_ptr<const Grammar> grammar,
                 const std::shared_ptr<const Vocabulary>& vocabulary)
    : grammar_(std::move(grammar)),
      vocabulary_(vocabulary),
      masks_(grammar_->masks(vocabulary)),
      states_{masks_->start()} {}

/// What one long text taught may be too much to keep: it is followed again from its beginning,
/// along its own tokens alone.
void Matcher::forget() {
  const i64 limit = std::max(grammar_->budget().matching_bytes, 2 * bytes_after_forgetting_);
  if (masks_->memory_bytes() <= limit) return;
  const auto fresh = grammar_->masks(vocabulary_);
  if (fresh == masks_) return;
  std::vector<Automaton::State> states{fresh->start()};
  for (const i32 id : ids_) states.push_back(fresh->next(states.back(), vocabulary_->bytes(id)));
  masks_ = fresh;
  states_ = std::move(states);
  bytes_after_forgetting_ = masks_->memory_bytes();
}

std::span<const u32> Matcher::allowed() {
  forget();
  allowed_ = masks_->allowed(states_.back());
  return *allowed_;
}

bool Matcher::accept(i32 id) {
  const std::string_view bytes = masks_->vocabulary().bytes(id);
  if (bytes.empty()) return false;
  const Automaton::State after = masks_->next(states_.back(), bytes);
  if (after == Automaton::kDead) return false;
  states_.push_back(after);
  ids_.push_back(id);
  return true;
}

i32 Matcher::forced_token() { return masks_->forced_token(states_.back()); }

void Matcher::roll_back(i64 count) {
  FATHOM_CHECK(count < std::ssize(states_), "rolling back {} of {} tokens", count,
               std::ssize(states_) - 1);
  states_.resize(states_.size() - static_cast<size_t>(count));
  ids_.resize(ids_.size() - static_cast<size_t>(count));
}

}  // namespace fathom::grammar
