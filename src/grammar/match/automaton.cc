#include "grammar/match/automaton.h"

#include <algorithm>

#include "base/check.h"
#include "grammar/regex/characters.h"

namespace fathom::grammar {

Automaton::Automaton(RuleArena rules, Expr root, const Budget& budget)
    : rules_(std::move(rules)), budget_(budget) {
  FATHOM_CHECK(rules_.can_match(root), "an automaton of a grammar that matches nothing");
  rules_.set_node_limit(budget.matching_nodes);
  plain_character_ = one_of(rules_.regexes(), plain_characters(), Spelling::kUtf8);
  num_classes_ = rules_.regexes().classes().count();
  for (u32 byte = 0; byte < 256; ++byte) {
    class_of_[byte] = rules_.regexes().classes().class_of(static_cast<u8>(byte));
  }
  find_utf8_steps();
  first_thread_.push_back(0);
  intern({});
  intern(std::array{Thread{rules_.regexes().empty(), root}});
}

Automaton::State Automaton::intern(std::span<const Thread> threads) {
  u64 hash = threads.size();
  for (const Thread& thread : threads) {
    hash =
        mix_hash(hash, u64{static_cast<u32>(thread.regex)} << 32 | static_cast<u32>(thread.rest));
  }
  const State next = static_cast<State>(accepting_.size());
  const State found = interned_.find_or_insert(hash, next, [&](u32 other) {
    const auto old = std::span(threads_).subspan(first_thread_[other],
                                                 first_thread_[other + 1] - first_thread_[other]);
    return std::ranges::equal(old, threads);
  });
  if (found != next) return found;
  threads_.insert(threads_.end(), threads.begin(), threads.end());
  first_thread_.push_back(static_cast<u32>(threads_.size()));
  const bool accepts = std::ranges::any_of(threads, [&](const Thread& thread) {
    return rules_.regexes().nullable(thread.regex) && rules_.nullable(thread.rest);
  });
  accepting_.push_back(accepts ? 1 : 0);
  table_.insert(table_.end(), num_classes_, next == kDead ? kDead : kUnknown);
  return next;
}

Automaton::State Automaton::make_transition(State state, u8 byte_class) {
  RegexArena& regexes = rules_.regexes();
  const u8 byte = regexes.classes().member(byte_class);
  std::vector<Thread>& found = next_threads_;
  found.clear();
  const auto follow = [&](Regex regex, Expr rest) {
    const Regex after = regexes.live_derivative(regex, byte);
    if (after != regexes.nothing()) found.push_back({after, rest});
  };
  for (u32 i = first_thread_[state]; i < first_thread_[state + 1]; ++i) {
    const Thread thread = threads_[i];
    follow(thread.regex, thread.rest);
    if (!regexes.nullable(thread.regex)) continue;
    for (const Continuation& on : rules_.continuations(thread.rest)) follow(on.first, on.rest);
  }
  // Readings that only differ in what comes later are one until then.
  std::ranges::sort(found, {}, [](const Thread& t) { return std::pair(t.regex, t.rest); });
  size_t kept = 0;
  for (size_t begin = 0, end; begin < found.size(); begin = end) {
    std::vector<Expr> rests;
    for (end = begin; end < found.size() && found[end].regex == found[begin].regex; ++end) {
      rests.push_back(found[end].rest);
    }
    found[kept++] = {found[begin].regex, rules_.choice(std::move(rests))};
  }
  found.resize(kept);
  if (std::ssize(found) > budget_.threads) throw BudgetError("the grammar is too ambiguous");
  const State next = intern(found);
  table_[state * num_classes_ + byte_class] = next;
  return next;
}

std::optional<u8> Automaton::forced_byte(State state) {
  if (accepting(state)) return std::nullopt;
  std::optional<u8> only;
  for (u32 byte = 0; byte < 256; ++byte) {
    if (next(state, static_cast<u8>(byte)) == kDead) continue;
    if (only) return std::nullopt;
    only = static_cast<u8>(byte);
  }
  return only;
}

bool Automaton::can_go_on(State state) {
  for (u32 byte_class = 0; byte_class < num_classes_; ++byte_class) {
    if (next(state, rules_.regexes().classes().member(byte_class)) != kDead) return true;
  }
  return false;
}

i64 Automaton::memory_bytes() const {
  return rules_.memory_bytes() + std::ssize(table_) * static_cast<i64>(sizeof(State)) +
         std::ssize(threads_) * static_cast<i64>(sizeof(Thread)) + std::ssize(accepting_) * 5 +
         interned_.memory_bytes() + reach_.memory_bytes();
}

}  // namespace fathom::grammar
