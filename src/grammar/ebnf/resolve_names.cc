#include "grammar/ebnf/resolve_names.h"

#include <fmt/format.h>

#include <map>
#include <string>

#include "grammar/ebnf/ebnf_cursor.h"

namespace fathom::grammar {
namespace {

/// Sets the indices of references; adds to `undefined` those to what is not there.
void resolve(EbnfChoices& choices, const std::map<std::string, size_t>& index,
             std::vector<const EbnfTerm*>& undefined) {
  for (EbnfSequence& sequence : choices) {
    for (EbnfTerm& term : sequence) {
      resolve(term.choices, index, undefined);
      if (term.kind != EbnfTerm::Kind::kReference) continue;
      const auto found = index.find(term.text);
      if (found != index.end()) {
        term.rule = found->second;
      } else {
        undefined.push_back(&term);
      }
    }
  }
}

Error undefined_rules(std::string_view text, const std::vector<const EbnfTerm*>& undefined) {
  constexpr size_t kMostShown = 10;
  std::vector<std::string> shown;
  for (const EbnfTerm* term : undefined) {
    if (shown.size() == kMostShown) {
      shown.emplace_back("...");
      break;
    }
    shown.push_back(fmt::format("{} ({})", term->text, place_of(text, term->offset)));
  }
  return Error(ErrorCode::kInvalidInput,
               fmt::format("rules that are used but not defined: {}", fmt::join(shown, ", ")));
}

}  // namespace

Result<void> resolve_names(std::string_view text, std::vector<EbnfRule>& rules) {
  std::map<std::string, size_t> index;
  for (size_t i = 0; i < rules.size(); ++i) {
    const auto [first, is_new] = index.try_emplace(rules[i].name, i);
    if (is_new) continue;
    return invalid_input(fmt::format("{}: the rule {} is already defined at {}",
                                     place_of(text, rules[i].offset), rules[i].name,
                                     place_of(text, rules[first->second].offset)));
  }
  std::vector<const EbnfTerm*> undefined;
  for (EbnfRule& rule : rules) resolve(rule.choices, index, undefined);
  if (!undefined.empty()) return tl::unexpected<Error>(undefined_rules(text, undefined));
  if (!index.contains("root")) return invalid_input("there is no rule root");
  return {};
}

}  // namespace fathom::grammar
