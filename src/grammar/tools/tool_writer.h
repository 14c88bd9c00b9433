#pragma once
// The pieces of a tool call.
#include <string_view>

#include "grammar/tools/tool_grammar.h"

namespace fathom::grammar {

/// Builds what a format consists of.
class ToolWriter {
 public:
  ToolWriter(RuleArena& rules, const ToolSpec& spec) : rules_(rules), spec_(spec) {}

  /// A mark, as a token if it is one.
  Expr mark(std::string_view spelling) { return rules_.literal(mark_bytes(spelling)); }
  Expr text(std::string_view bytes) { return rules_.literal(bytes); }
  /// Text in which no call begins.
  Regex free_text();
  /// Around all calls; `calls` are not empty.
  Expr wrap(Expr calls);
  Expr separator();
  /// One call with the arguments that call_arguments() made.
  Expr call(const Tool& tool, Expr arguments);
  /// One argument of a DSML call.
  Expr argument(Expr name, bool is_string, Expr value);

 private:
  Expr object_call(const Tool& tool, std::string_view arguments_key, Expr arguments);
  std::string mark_bytes(std::string_view spelling) const;
  /// <name>, with the mark of DSML behind the first character.
  Expr dsml(std::string_view open, std::string_view rest);

  RuleArena& rules_;
  const ToolSpec& spec_;
};

}  // namespace fathom::grammar
