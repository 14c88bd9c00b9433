#pragma once
#include <memory>
#include <mutex>
#include <unordered_map>

#include "grammar/match/automaton.h"
#include "grammar/match/vocabulary.h"

namespace fathom::grammar {

/// The tokens that may come at an automaton's states: those whose bytes lead to a live state, so
/// a token may span several parts of the grammar. Made when first asked for and kept. Sequences
/// that share a grammar share these. Any thread may call.
class TokenMasks {
 public:
  using State = Automaton::State;

  TokenMasks(Automaton automaton, std::shared_ptr<const Vocabulary> vocabulary);

  State start() const { return automaton_.start(); }
  /// Throws BudgetError, as all below do.
  std::shared_ptr<const TokenSet> allowed(State state);
  /// kDead if the bytes may not come.
  State next(State state, std::string_view bytes);
  bool accepting(State state);
  bool can_go_on(State state);
  /// The bytes that must come, however the text goes on; at most `limit` of them.
  std::string forced_bytes(State state, size_t limit);

  /// See Matcher::forced_token().
  i32 forced_token(State state);

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  i64 memory_bytes();

 private:
  /// For one call's work on the automaton.
  std::unique_lock<std::mutex> lock();
  TokenSet compute(State state);
  void walk(const Trie& trie, State state, TokenSet& set);

  std::mutex mutex_;
  Automaton automaton_;
  std::shared_ptr<const Vocabulary> vocabulary_;
  std::unordered_map<State, std::shared_ptr<const TokenSet>> sets_;
  std::unordered_map<State, i32> forced_tokens_;
  std::vector<State> path_;  // by depth
};

}  // namespace fathom::grammar
