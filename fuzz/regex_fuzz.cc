// A pattern of ECMA-262, and after the first NUL a text: it is found in the text as it is just
// where it is found in the text as JSON writes it; and what may follow any beginning can be brought
// to an end.
#include "base/check.h"
#include "grammar/regex/anchors.h"
#include "grammar/regex/parse_regex.h"
#include "grammar_walk.h"
#include "io/json.h"
#include "tokenizer/unicode/utf8.h"

using namespace fathom;
using namespace fathom::grammar;

namespace {

bool finds(RegexArena& arena, std::string_view pattern, Spelling spelling, std::string_view text) {
  const auto regex = parse_regex(arena, pattern, spelling);
  return arena.matches(found_in(arena, value_or_throw(regex), any_text(arena, spelling)), text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t nul = std::min(input.find('\0'), input.size());
  const std::string_view pattern = input.substr(0, nul);
  std::string storage;
  const std::string_view text =
      tokenizer::valid_utf8(input.substr(std::min(nul + 1, size)), storage);
  try {
    RuleArena rules(kFuzzBudget);
    RegexArena& arena = rules.regexes();
    const auto parsed = parse_regex(arena, pattern, Spelling::kUtf8);
    if (!parsed) return 0;
    const std::string quoted = io::write_json(text);
    FATHOM_CHECK(finds(arena, pattern, Spelling::kUtf8, text) ==
                     finds(arena, pattern, Spelling::kJson,
                           std::string_view(quoted).substr(1, quoted.size() - 2)),
                 pattern, " in ", quoted);
    const Expr root = rules.regex(whole_text(arena, *parsed));
    if (!rules.finish() || !rules.can_match(root)) return 0;
    Automaton automaton(std::move(rules), root, kFuzzBudget);
    walk(automaton, text);
  } catch (const BudgetError&) {
  }
  return 0;
}
