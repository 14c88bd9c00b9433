#pragma once
// For targets that compile grammars: texts that the input itself picks.
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "grammar/match/automaton.h"

namespace fathom::grammar {

/// Small, so that what is refused is refused soon.
inline constexpr Budget kFuzzBudget{.nodes = 50'000,
                                    .matching_nodes = 100'000,
                                    .matching_bytes = i64{16} << 20,
                                    .emptiness_steps = 2'000,
                                    .threads = 200,
                                    .match_s = 2.0};

/// Follows bytes that may come, picked by those of `choices`, until the text must end, then the
/// bytes that end it soonest are looked for: there must be such. Returns a text that is accepted,
/// or nullopt if it is longer than can be searched.
inline std::optional<std::string> walk(Automaton& automaton, std::string_view choices) {
  std::string text;
  Automaton::State state = automaton.start();
  for (size_t i = 0; i < choices.size() && automaton.can_go_on(state); ++i) {
    automaton.set_deadline();  // as for each token
    Automaton::State next = Automaton::kDead;
    u8 byte = static_cast<u8>(choices[i]);
    for (int tries = 0; tries < 256 && next == Automaton::kDead; ++tries)
      next = automaton.next(state, ++byte);
    FATHOM_CHECK(next != Automaton::kDead, "nothing can follow \"", text,
                 "\" though something may");
    text += static_cast<char>(byte);
    state = next;
    FATHOM_CHECK(automaton.accepting(state) || automaton.can_go_on(state), "a dead end behind \"",
                 text, "\"");
  }
  return automaton.accepting(state) ? std::optional(text) : std::nullopt;
}

}  // namespace fathom::grammar
