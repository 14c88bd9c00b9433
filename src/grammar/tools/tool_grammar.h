#pragma once
// Tool calls as a grammar.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "grammar/rules/rule_arena.h"
#include "grammar/schema/compile_schema.h"
#include "tokenizer/chat/tool_format.h"

namespace fathom::tokenizer {
class Tokenizer;
}

namespace fathom::grammar {

using tokenizer::ToolFormat;

struct Tool {
  std::string name;
  std::string parameters;      // JSON Schema of its arguments; empty: any object
  std::optional<bool> strict;  // unset: the schema is enforced if it compiles
};

struct ToolSpec {
  using Choice = tokenizer::ToolUse::Choice;  // kAuto: text, and perhaps calls behind it
  ToolFormat format = ToolFormat::kPlain;
  std::vector<Tool> tools;  // that may be called
  Choice choice = Choice::kAuto;
  bool parallel = true;  // more than one call
  /// The marks of the format that the vocabulary has as tokens; the others are written as text.
  std::set<std::string> tokens;
};

/// Those of the marks of all formats that are tokens.
std::set<std::string> tool_tokens(const tokenizer::Tokenizer& tokenizer);

/// How the request's tools may be called; nullopt: it has none. An error where the request says how
/// they are to be called and the template has no tools.
Result<std::optional<ToolSpec>> tool_spec(const tokenizer::ChatTemplate& chat_template,
                                          const tokenizer::ChatRequest& request,
                                          const tokenizer::Tokenizer& tokenizer);

/// What may be answered with these tools. `value`: what is said without a call, if that is not
/// free; then there is no text before calls either. Errors name the tool: a name that cannot be
/// written, a schema under `strict` that does not compile. `findings`: of all tools' schemas, their
/// pointers behind the tool's name.
Result<Expr> compile_tools(RuleArena& rules, const ToolSpec& spec, std::optional<Expr> value,
                           std::vector<SchemaFinding>& findings);

}  // namespace fathom::grammar
