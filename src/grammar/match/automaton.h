#pragma once
// A grammar as a deterministic automaton whose states and transitions are made when first used.
#include <optional>
#include <span>
#include <vector>

#include "grammar/hash_index.h"
#include "grammar/rules/rule_arena.h"

namespace fathom::grammar {

/// One way to read the text so far: `regex` goes on where it stands, then comes `rest`.
struct Thread {
  Regex regex;
  Expr rest;
  bool operator==(const Thread&) const = default;
};

/// A state is the set of all readings of a text. Every state but kDead has a text that leads to
/// acceptance: there are no dead ends. Not for several threads at once. Throws BudgetError.
class Automaton {
 public:
  using State = u32;
  static constexpr State kDead = 0;

  /// `rules` are finished, and `root` can match.
  Automaton(RuleArena rules, Expr root, const Budget& budget);

  /// The time that what is called from now on may take together.
  void set_deadline() { rules_.deadline().set(budget_.match_s, "following the grammar"); }

  State start() const { return kStart; }
  State next(State state, u8 byte) {
    const State known = table_[state * num_classes_ + class_of_[byte]];
    return known != kUnknown ? known : make_transition(state, class_of_[byte]);
  }
  State next(State state, std::string_view bytes) {
    for (const char byte : bytes) state = next(state, static_cast<u8>(byte));
    return state;
  }
  /// May the text end here?
  bool accepting(State state) const { return accepting_[state] != 0; }
  /// The only byte that may come, if there is just one and the text may not end here.
  std::optional<u8> forced_byte(State state);
  /// May any byte come?
  bool can_go_on(State state);
  /// How many characters that a JSON string holds unescaped may follow for certain, whichever they
  /// are. At least so many: looks at most `limit` characters ahead where that is not plain to see.
  i64 plain_reach(State state, i64 limit);

  i64 num_states() const { return std::ssize(accepting_); }
  i64 memory_bytes() const;

 private:
  static constexpr State kStart = 1;
  static constexpr State kUnknown = ~State{0};
  /// From a place inside a UTF-8 character: a class of bytes, and the place behind it.
  struct Utf8Step {
    u8 byte_class;
    u8 next;
  };
  struct Place {
    State state;
    u8 inside;  // of a character; 0: between two
    auto operator<=>(const Place&) const = default;
  };

  State make_transition(State state, u8 byte_class);
  State intern(std::span<const Thread> threads);
  void find_utf8_steps();
  i64 stated_reach(Regex regex);
  i64 explored_reach(State state, i64 limit);
  bool follow_character(std::vector<Place>& places);

  RuleArena rules_;
  Budget budget_;
  u32 num_classes_ = 0;
  std::array<u8, 256> class_of_{};
  std::vector<State> table_;  // [state][byte class]
  std::vector<u8> accepting_;
  std::vector<Thread> threads_;
  std::vector<u32> first_thread_;  // of a state; one more than there are states
  HashIndex interned_;
  HashMap reach_;  // of a state, where known
  std::array<std::vector<Utf8Step>, 8> utf8_steps_;
  HashMap takes_plain_;  // of a regular expression: does it match each plain character?
  Regex plain_character_;
  std::vector<Thread> next_threads_;
};

}  // namespace fathom::grammar
