#pragma once
// The language of a grammar by the definition of its continuations: slow, and with nothing to go
// wrong that a matcher could.
#include <algorithm>
#include <string_view>
#include <vector>

#include "grammar/rules/rule_arena.h"

namespace fathom::grammar::testing {

/// Walks texts through a finished grammar.
class Walker {
 public:
  Walker(RuleArena& rules, Expr root) : rules_(rules) {
    for (const Continuation& start : rules.continuations(root)) enter(start, now_);
    start_ = now_;
    empty_text_ = rules.nullable(root);
  }

  /// Does the whole of `text` match? `*stopped_at`: after how many bytes nothing could follow.
  bool accepts(std::string_view text, size_t* stopped_at = nullptr) {
    now_ = start_;
    for (size_t i = 0; i < text.size(); ++i) {
      step(static_cast<u8>(text[i]));
      if (stopped_at != nullptr) *stopped_at = i;
      if (now_.empty()) return false;
    }
    if (text.empty()) return empty_text_;
    return is_whole(now_);
  }
  size_t num_threads() const { return now_.size(); }

  /// The same step by step: `state` is what start() gave or an earlier feed() left. False, and a
  /// state that nothing leads on from, if the text can't go on so.
  struct Thread {
    Regex unfinished;
    Expr rest;
    auto operator<=>(const Thread&) const = default;
  };
  using State = std::vector<Thread>;
  State start() const { return start_; }
  bool feed(State& state, std::string_view text) {
    now_ = state;
    for (size_t i = 0; i < text.size() && !now_.empty(); ++i) step(static_cast<u8>(text[i]));
    state = now_;
    return !state.empty();
  }
  bool is_whole(const State& state) {
    return std::ranges::any_of(state, [&](const Thread& thread) {
      return rules_.regexes().nullable(thread.unfinished) && rules_.nullable(thread.rest);
    });
  }

 private:
  void enter(const Continuation& start, State& threads) {
    threads.push_back({start.first, start.rest});
  }

  void step(u8 byte) {
    State next;
    std::vector<Expr> entered;
    for (size_t i = 0; i < now_.size(); ++i) {
      const Thread thread = now_[i];
      const Regex left = rules_.regexes().live_derivative(thread.unfinished, byte);
      if (left != rules_.regexes().nothing()) next.push_back({left, thread.rest});
      // What may be over already lets what is behind it begin.
      if (!rules_.regexes().nullable(thread.unfinished)) continue;
      if (std::ranges::find(entered, thread.rest) != entered.end()) continue;
      entered.push_back(thread.rest);
      const auto continuations = rules_.continuations(thread.rest);
      for (const Continuation& behind :
           std::vector<Continuation>(continuations.begin(), continuations.end())) {
        enter(behind, now_);
      }
    }
    std::ranges::sort(next);
    next.erase(std::unique(next.begin(), next.end()), next.end());
    now_ = std::move(next);
  }

  RuleArena& rules_;
  State start_, now_;
  bool empty_text_ = false;
};

}  // namespace fathom::grammar::testing
