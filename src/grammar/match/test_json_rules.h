#pragma once
// For tests and benches: any JSON value, written by hand.
#include "grammar/regex/characters.h"
#include "grammar/rules/rule_arena.h"

namespace fathom::grammar {

inline Expr json_by_hand(RuleArena& rules) {
  RegexArena& regexes = rules.regexes();
  const auto bytes = [&](std::string_view all) {
    ByteSet set;
    for (const char byte : all) set = set | ByteSet::of(static_cast<u8>(byte));
    return regexes.bytes(set);
  };
  const Regex quote = regexes.literal("\"");
  const Regex string = regexes.concat({quote, any_text(regexes, Spelling::kJson), quote});
  const Regex digits = regexes.repeat(bytes("0123456789"), 1, kUnbounded);
  const Regex number = regexes.concat(
      {regexes.optional(regexes.literal("-")),
       regexes.alternate(regexes.literal("0"),
                         regexes.concat(bytes("123456789"), regexes.star(bytes("0123456789")))),
       regexes.optional(regexes.concat(regexes.literal("."), digits)),
       regexes.optional(regexes.concat({bytes("eE"), regexes.optional(bytes("+-")), digits}))});
  const Regex space = regexes.repeat(bytes(" \t\n\r"), 0, 64);
  const auto token = [&](std::string_view text) {
    return rules.regex(regexes.concat({space, regexes.literal(text), space}));
  };
  const Rule value = rules.declare("value");
  const Expr any = rules.rule(value);
  const auto list = [&](Expr item) {
    return rules.optional(
        rules.sequence(item, rules.repeat(rules.sequence(token(","), item), 0, kUnbounded)));
  };
  const Expr member = rules.sequence({rules.regex(string), token(":"), any});
  const auto open = [&](std::string_view text) {
    return rules.regex(regexes.concat(regexes.literal(text), space));
  };
  const auto close = [&](std::string_view text) {
    return rules.regex(regexes.concat(space, regexes.literal(text)));
  };
  rules.define(value, rules.choice({rules.regex(string), rules.regex(number), rules.literal("true"),
                                    rules.literal("false"), rules.literal("null"),
                                    rules.sequence({open("["), list(any), close("]")}),
                                    rules.sequence({open("{"), list(member), close("}")})}));
  return any;
}

}  // namespace fathom::grammar
