#include "grammar/schema/emit/json_syntax.h"

#include "grammar/regex/characters.h"
#include "grammar/schema/compile_schema.h"
#include "grammar/schema/numbers/number.h"

namespace fathom::grammar::schema {

JsonSyntax::JsonSyntax(RuleArena& rules)
    : rules_(rules), regexes_(rules.regexes()), space_(json_space(regexes_)) {
  comma_ = rules_.regex(regexes_.concat({space_, regexes_.literal(","), space_}));
}

Regex JsonSyntax::quoted(Regex content) {
  const Regex quote = regexes_.literal("\"");
  return regexes_.concat({quote, content, quote});
}

Expr JsonSyntax::member(Regex keys, Expr value) {
  const Regex colon = regexes_.concat({space_, regexes_.literal(":"), space_});
  return rules_.sequence(rules_.regex(regexes_.concat(quoted(keys), colon)), value);
}

Expr JsonSyntax::open(char bracket) {
  return rules_.regex(regexes_.concat(regexes_.literal(std::string_view(&bracket, 1)), space_));
}

Expr JsonSyntax::close(char bracket) {
  return rules_.regex(regexes_.concat(space_, regexes_.literal(std::string_view(&bracket, 1))));
}

Expr JsonSyntax::list(char first, char last, Expr element) {
  const Expr more = rules_.repeat(rules_.sequence(comma_, element), 0, kUnbounded);
  return rules_.sequence(
      open(first), rules_.choice(close_empty(last), rules_.sequence({element, more, close(last)})));
}

void JsonSyntax::make_values() {
  if (value_) return;
  const Rule rule = rules_.declare("JSON value");
  value_ = rules_.rule(rule);
  array_ = list('[', ']', *value_);
  object_ = list('{', '}', member(any_text(regexes_, Spelling::kJson), *value_));
  const Regex scalar = regexes_.alternate(
      {regexes_.literal("null"), regexes_.literal("true"), regexes_.literal("false"),
       number_regex(regexes_, {}).value(), quoted(any_text(regexes_, Spelling::kJson))});
  rules_.define(rule, rules_.choice({rules_.regex(scalar), *array_, *object_}));
}

Expr JsonSyntax::any_value() {
  make_values();
  return *value_;
}

Expr JsonSyntax::any_array() {
  make_values();
  return *array_;
}

Expr JsonSyntax::any_object() {
  make_values();
  return *object_;
}

}  // namespace fathom::grammar::schema

namespace fathom::grammar {

Regex json_space(RegexArena& arena) {
  constexpr u32 kMaxSpace = 64;
  ByteSet set;
  for (const char byte : {' ', '\t', '\n', '\r'}) set = set | ByteSet::of(static_cast<u8>(byte));
  return arena.repeat(arena.bytes(set), 0, kMaxSpace);
}

Expr json_value(RuleArena& arena) { return schema::JsonSyntax(arena).any_value(); }

Expr json_object(RuleArena& arena) { return schema::JsonSyntax(arena).any_object(); }

}  // namespace fathom::grammar
