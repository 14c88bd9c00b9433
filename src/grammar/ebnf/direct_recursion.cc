#include "grammar/ebnf/direct_recursion.h"

#include <utility>

#include "grammar/regex/regex_arena.h"

namespace fathom::grammar {
namespace {

bool is_reference(const EbnfTerm& term, size_t rule) {
  return term.kind == EbnfTerm::Kind::kReference && term.rule == rule;
}

EbnfTerm group(EbnfChoices choices, u32 min, u32 max) {
  EbnfTerm term;
  term.choices = std::move(choices);
  term.min = min;
  term.max = max;
  return term;
}

/// ( ( a | b ) )  as  a | b.
void unwrap(EbnfChoices& choices) {
  while (choices.size() == 1 && choices[0].size() == 1 && choices[0][0].is_once() &&
         choices[0][0].kind == EbnfTerm::Kind::kGroup) {
    choices = EbnfChoices(std::move(choices[0][0].choices));
  }
}

void repeat_instead_of_left_recursion(EbnfChoices& choices, size_t rule) {
  EbnfChoices loops, starts;
  for (EbnfSequence& sequence : choices) {
    const bool recursive =
        !sequence.empty() && is_reference(sequence[0], rule) && sequence[0].is_once();
    if (recursive) sequence.erase(sequence.begin());
    (recursive ? loops : starts).push_back(std::move(sequence));
  }
  if (loops.empty()) {
    choices = std::move(starts);
    return;
  }
  choices.clear();
  choices.push_back({group(std::move(starts), 1, 1), group(std::move(loops), 0, kUnbounded)});
}

/// What stands before the rule itself, and what has not that rule at its end.
struct RightRecursion {
  EbnfChoices loops, ends;
};

RightRecursion split(const EbnfChoices& choices, size_t rule) {
  RightRecursion found;
  for (const EbnfSequence& sequence : choices) {
    if (sequence.empty() || sequence.back().max != 1) {
      found.ends.push_back(sequence);
      continue;
    }
    const EbnfTerm& last = sequence.back();
    const EbnfSequence before(sequence.begin(), sequence.end() - 1);
    if (is_reference(last, rule)) {
      found.loops.push_back(before);
    } else {
      RightRecursion inner = split(last.choices, rule);
      if (inner.loops.empty()) {
        found.ends.push_back(sequence);
        continue;
      }
      found.loops.push_back(before);
      found.loops.back().push_back(group(std::move(inner.loops), 1, 1));
      found.ends.push_back(before);
      found.ends.back().push_back(group(std::move(inner.ends), 1, 1));
    }
    if (last.min == 0) found.ends.push_back(before);
  }
  return found;
}

}  // namespace

void repeat_instead_of_recursion(EbnfChoices& choices, size_t rule) {
  unwrap(choices);
  repeat_instead_of_left_recursion(choices, rule);
  RightRecursion right = split(choices, rule);
  if (right.loops.empty()) return;
  choices.clear();
  choices.push_back(
      {group(std::move(right.loops), 0, kUnbounded), group(std::move(right.ends), 1, 1)});
}

}  // namespace fathom::grammar
