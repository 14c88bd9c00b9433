#include "grammar/compile.h"

#include "grammar/ebnf/compile_ebnf.h"
#include "grammar/regex/characters.h"
#include "grammar/regex/parse_regex.h"
#include "io/json.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

Result<Expr> compile_regex(RuleArena& rules, std::string_view pattern) {
  auto regex = whole_texts(rules.regexes(), pattern, Spelling::kUtf8);
  if (!regex) return tl::unexpected(regex.error());
  return rules.regex(*regex);
}

Result<Expr> compile_choice(RuleArena& rules, const std::vector<std::string>& choices) {
  if (choices.empty()) return invalid_input("choice: there is nothing to choose from");
  std::vector<Regex> texts;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (tokenizer::valid_utf8_prefix_bytes(choices[i]) != choices[i].size()) {
      return invalid_input("choice " + std::to_string(i + 1) + " is not valid UTF-8");
    }
    texts.push_back(rules.regexes().literal(choices[i]));
  }
  return rules.regex(rules.regexes().alternate(std::move(texts)));
}

Result<Expr> compile_text(RuleArena& rules, const GrammarSpec& spec,
                          std::vector<SchemaFinding>& findings) {
  switch (spec.kind) {
    case GrammarSpec::Kind::kText:
      return rules.regex(any_text(rules.regexes(), Spelling::kUtf8));
    case GrammarSpec::Kind::kJsonObject:
      return json_object(rules);
    case GrammarSpec::Kind::kRegex:
      return compile_regex(rules, spec.text);
    case GrammarSpec::Kind::kChoice:
      return compile_choice(rules, spec.choices);
    case GrammarSpec::Kind::kEbnf:
      return compile_ebnf(rules, spec.text);
    case GrammarSpec::Kind::kJsonSchema:
      break;
  }
  const auto schema = io::parse_json(spec.text, "the schema", kSchemaLimits);
  if (!schema) return tl::unexpected(schema.error());
  auto compiled = compile_schema(rules, *schema, spec.schema);
  if (!compiled) return tl::unexpected(compiled.error());
  findings = std::move(compiled->findings);
  return compiled->root;
}

Result<CompiledGrammar> compile_all(const GrammarSpec& spec, const Budget& budget) {
  RuleArena rules(budget);
  rules.deadline().set(budget.compile_s, "compiling the grammar");
  CompiledGrammar compiled;
  auto root = compile_text(rules, spec, compiled.findings);
  if (root && spec.tools) {
    const bool free = spec.kind == GrammarSpec::Kind::kText;
    root = compile_tools(rules, *spec.tools, free ? std::nullopt : std::optional(*root),
                         compiled.findings);
  }
  if (!root) return tl::unexpected(root.error());
  if (auto finished = rules.finish(); !finished) return tl::unexpected(finished.error());
  if (!rules.can_match(*root)) return invalid_input("the grammar matches no text at all");
  compiled.grammar = std::make_shared<const Grammar>(std::move(rules), *root, budget);
  return compiled;
}

}  // namespace

Result<CompiledGrammar> compile(const GrammarSpec& spec, const Budget& budget) {
  try {
    return compile_all(spec, budget);
  } catch (const BudgetError& error) {
    return tl::unexpected<Error>(error);
  }
}

}  // namespace fathom::grammar
