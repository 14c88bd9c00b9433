// A grammar in GBNF, and after the first NUL what picks a text: no beginning is a dead end.
#include "base/check.h"
#include "grammar/ebnf/compile_ebnf.h"
#include "grammar_walk.h"

using namespace fathom;
using namespace fathom::grammar;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t nul = std::min(input.find('\0'), input.size());
  try {
    RuleArena rules(kFuzzBudget);
    const auto root = compile_ebnf(rules, input.substr(0, nul));
    if (!root || !rules.finish() || !rules.can_match(*root)) return 0;
    Automaton automaton(std::move(rules), *root, kFuzzBudget);
    walk(automaton, input.substr(std::min(nul + 1, size)));
  } catch (const BudgetError&) {
  }
  return 0;
}
