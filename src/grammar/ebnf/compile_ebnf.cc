#include "grammar/ebnf/compile_ebnf.h"

#include <optional>
#include <vector>

#include "grammar/ebnf/direct_recursion.h"
#include "grammar/ebnf/parse_ebnf.h"
#include "grammar/regex/characters.h"

namespace fathom::grammar {
namespace {

class EbnfCompiler {
 public:
  EbnfCompiler(RuleArena& arena, const std::vector<EbnfRule>& rules)
      : arena_(arena),
        regexes_(arena.regexes()),
        rules_(rules),
        regex_of_(rules.size()),
        rule_of_(rules.size()) {}

  Expr compile(size_t root) {
    find_regular_rules();
    const Expr expr = reference(root);
    while (!undefined_.empty()) {
      const size_t rule = undefined_.back();
      undefined_.pop_back();
      arena_.define(*rule_of_[rule], choices(rules_[rule].choices));
    }
    return expr;
  }

 private:
  // A rule is regular once all rules are that it uses: those that use none first, then upward, so
  // that every expression is made from finished ones.
  void find_regular_rules() {
    std::vector<std::vector<size_t>> users(rules_.size());
    std::vector<size_t> missing(rules_.size());  // uses of rules not known to be regular
    std::vector<size_t> ready;
    for (size_t rule = 0; rule < rules_.size(); ++rule) {
      note_uses(rules_[rule].choices, rule, users, missing);
      if (missing[rule] == 0) ready.push_back(rule);
    }
    while (!ready.empty()) {
      const size_t rule = ready.back();
      ready.pop_back();
      regex_of_[rule] = *regex_of(rules_[rule].choices);
      for (const size_t user : users[rule]) {
        if (--missing[user] == 0) ready.push_back(user);
      }
    }
  }

  static void note_uses(const EbnfChoices& choices, size_t user,
                        std::vector<std::vector<size_t>>& users, std::vector<size_t>& missing) {
    for (const EbnfSequence& sequence : choices) {
      for (const EbnfTerm& term : sequence) {
        note_uses(term.choices, user, users, missing);
        if (term.kind != EbnfTerm::Kind::kReference) continue;
        users[term.rule].push_back(user);
        ++missing[user];
      }
    }
  }

  // As regular expressions; nullopt for what is not regular.

  std::optional<Regex> regex_of(const EbnfChoices& choices) {
    std::vector<Regex> all;
    for (const EbnfSequence& sequence : choices) {
      std::vector<Regex> parts;
      for (const EbnfTerm& term : sequence) {
        const std::optional<Regex> part = regex_of(term);
        if (!part) return std::nullopt;
        parts.push_back(*part);
      }
      all.push_back(concat(parts));
    }
    return regexes_.alternate(std::move(all));
  }

  std::optional<Regex> regex_of(const EbnfTerm& term) {
    std::optional<Regex> once;
    switch (term.kind) {
      case EbnfTerm::Kind::kCharacters:
        once = one_of(regexes_, term.characters, Spelling::kUtf8);
        break;
      case EbnfTerm::Kind::kLiteral:
        once = regexes_.literal(term.text);
        break;
      case EbnfTerm::Kind::kReference:
        once = regex_of_[term.rule];
        break;
      case EbnfTerm::Kind::kGroup:
        once = regex_of(term.choices);
        break;
    }
    return once ? std::optional(regexes_.repeat(*once, term.min, term.max)) : std::nullopt;
  }

  Regex concat(const std::vector<Regex>& parts) {
    Regex all = regexes_.empty();
    for (size_t i = parts.size(); i-- > 0;) all = regexes_.concat(parts[i], all);
    return all;
  }

  // As expressions over rules, with regular expressions as large as can be.

  Expr choices(const EbnfChoices& choices) {
    std::vector<Expr> all;
    for (const EbnfSequence& sequence : choices) all.push_back(this->sequence(sequence));
    return arena_.choice(std::move(all));
  }

  Expr sequence(const EbnfSequence& sequence) {
    Expr all = arena_.empty();
    std::vector<Regex> regular;  // what stands before `all`, backwards
    const auto flush = [&] {
      all = arena_.sequence(arena_.regex(concat({regular.rbegin(), regular.rend()})), all);
      regular.clear();
    };
    for (size_t i = sequence.size(); i-- > 0;) {
      if (const std::optional<Regex> regex = regex_of(sequence[i])) {
        regular.push_back(*regex);
        continue;
      }
      flush();
      all = arena_.sequence(term(sequence[i]), all);
    }
    flush();
    return all;
  }

  Expr term(const EbnfTerm& term) {
    const Expr once =
        term.kind == EbnfTerm::Kind::kReference ? reference(term.rule) : choices(term.choices);
    return arena_.repeat(once, term.min, term.max);
  }

  Expr reference(size_t rule) {
    if (regex_of_[rule]) return arena_.regex(*regex_of_[rule]);
    if (!rule_of_[rule]) {
      rule_of_[rule] = arena_.declare(rules_[rule].name);
      undefined_.push_back(rule);
    }
    return arena_.rule(*rule_of_[rule]);
  }

  RuleArena& arena_;
  RegexArena& regexes_;
  const std::vector<EbnfRule>& rules_;
  std::vector<std::optional<Regex>> regex_of_;  // by rule
  std::vector<std::optional<Rule>> rule_of_;    // by rule, once used
  std::vector<size_t> undefined_;
};

void find_references(const EbnfChoices& choices, std::vector<size_t>& found) {
  for (const EbnfSequence& sequence : choices) {
    for (const EbnfTerm& term : sequence) {
      find_references(term.choices, found);
      if (term.kind == EbnfTerm::Kind::kReference) found.push_back(term.rule);
    }
  }
}

}  // namespace

Result<Expr> compile_ebnf(RuleArena& arena, std::string_view text) {
  Result<std::vector<EbnfRule>> rules = parse_ebnf(text);
  if (!rules) return tl::unexpected<Error>(std::move(rules.error()));
  for (size_t i = 0; i < rules->size(); ++i) repeat_instead_of_recursion((*rules)[i].choices, i);
  return EbnfCompiler(arena, *rules).compile(root_of(*rules));
}

Result<std::vector<std::string>> unused_ebnf_rules(std::string_view text) {
  const Result<std::vector<EbnfRule>> rules = parse_ebnf(text);
  if (!rules) return tl::unexpected<Error>(rules.error());
  std::vector<bool> used(rules->size());
  std::vector<size_t> open{root_of(*rules)};
  while (!open.empty()) {
    const size_t rule = open.back();
    open.pop_back();
    if (used[rule]) continue;
    used[rule] = true;
    find_references((*rules)[rule].choices, open);
  }
  std::vector<std::string> unused;
  for (size_t rule = 0; rule < rules->size(); ++rule) {
    if (!used[rule]) unused.push_back((*rules)[rule].name);
  }
  return unused;
}

}  // namespace fathom::grammar
