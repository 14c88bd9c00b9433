#pragma once
// The parts of JSON's grammar.
#include <optional>

#include "grammar/rules/rule_arena.h"

namespace fathom::grammar::schema {

/// Expressions that every schema is made of, made when first asked for.
class JsonSyntax {
 public:
  explicit JsonSyntax(RuleArena& rules);

  Expr any_value();
  Expr any_array();
  Expr any_object();
  /// ',' with the white space around it.
  Expr comma() const { return comma_; }
  /// A key, whose text between the quotes is one of `keys`, the colon, and the value.
  Expr member(Regex keys, Expr value);
  Regex quoted(Regex content);
  /// What stands around a list: '{', white space, `members`. The end of one that has members, and
  /// of one that has none, is still to be said by close() and close_empty().
  Expr open(char bracket);
  Expr close(char bracket);
  Expr close_empty(char bracket) { return rules_.literal(std::string_view(&bracket, 1)); }

 private:
  void make_values();
  Expr list(char first, char last, Expr element);

  RuleArena& rules_;
  RegexArena& regexes_;
  Regex space_;
  Expr comma_;
  std::optional<Expr> value_, array_, object_;
};

}  // namespace fathom::grammar::schema
