#pragma once
// From what a client wrote to a grammar.
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "grammar/budget.h"
#include "grammar/match/grammar.h"
#include "grammar/schema/compile_schema.h"
#include "grammar/tools/tool_grammar.h"

namespace fathom::grammar {

/// What an answer has to be.
struct GrammarSpec {
  enum class Kind {
    kText,        // anything
    kJsonSchema,  // `text`: a JSON Schema
    kJsonObject,  // any JSON object
    kRegex,       // `text`: a pattern that matches the whole answer
    kChoice,      // one of `choices`
    kEbnf,        // `text`: a grammar as ebnf/compile_ebnf.h reads it
  };
  Kind kind = Kind::kText;
  std::string text;
  std::vector<std::string> choices;
  SchemaOptions schema;
  /// Calls come instead of what `kind` says, or behind it if that is kText.
  std::optional<ToolSpec> tools;
};

struct CompiledGrammar {
  std::shared_ptr<const Grammar> grammar;
  std::vector<SchemaFinding> findings;  // of a schema: what is enforced and what is not
};

/// Errors name what is wrong and where: kInvalidInput; kUnsupported for what is refused, a grammar
/// above `budget` among it. Takes at most about budget.compile_s: for any thread but the engine's.
Result<CompiledGrammar> compile(const GrammarSpec& spec, const Budget& budget = {});

}  // namespace fathom::grammar
