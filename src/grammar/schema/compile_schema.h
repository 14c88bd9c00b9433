#pragma once
// JSON Schema, drafts 4 to 2020-12, as a grammar.
#include <string>
#include <vector>

#include "base/error.h"
#include "grammar/regex/characters.h"
#include "grammar/rules/rule_arena.h"
#include "io/json.h"

namespace fathom::grammar {

/// What a schema's text may be.
inline constexpr io::JsonLimits kSchemaLimits{.max_bytes = i64{1} << 20, .max_depth = 64};

struct SchemaOptions {
  /// Objects that say nothing of additionalProperties have none, unknown formats are errors, and so
  /// is whatever would have to be weakened.
  bool strict = false;
  bool fail_closed = false;  // only the last of these
  /// How strings are written; see compile_plain_strings().
  Spelling strings = Spelling::kJson;

  bool operator==(const SchemaOptions&) const = default;
};

/// What becomes of one keyword of the schema.
struct SchemaFinding {
  enum class Kind {
    kEnforced,
    kWeakened,    // ignored: the grammar also lets through what it forbids
    kAnnotation,  // says nothing about what is valid
  } kind;
  std::string pointer;  // of the keyword, as RFC 6901 writes it
  std::string keyword;
  std::string message;  // why it is weakened
};

struct CompiledSchema {
  Expr root;
  std::vector<SchemaFinding> findings;  // of all schemas that the root can lead to
};

/// The grammar of the JSON texts that are valid under `schema`, with these choices of how to write
/// them: named properties in the order of the schema's text, then all others; at most 64 bytes of
/// white space in a row, none at the ends; named properties, and the values of enum and const, with
/// the shortest escapes; all other strings, and numbers, in any way. A key that the schema does not
/// name may come twice, since no context-free grammar can forbid that. Throws BudgetError. Errors
/// name the keyword and the pointer: an invalid schema, one that nothing satisfies, and under
/// `strict` or `fail_closed` all that cannot be enforced.
/// Source: json-schema.org, drafts 4, 6, 7, 2019-09 and 2020-12, told apart by "$schema".
Result<CompiledSchema> compile_schema(RuleArena& arena, const io::JsonValue& schema,
                                      const SchemaOptions& options = {});

/// The strings that are valid under `schema`, written as they are, without quotes and escapes:
/// nothing() if there are none. Errors and findings as above.
Result<CompiledSchema> compile_plain_strings(RuleArena& arena, const io::JsonValue& schema,
                                             SchemaOptions options = {});

/// Any JSON value, and any object.
Expr json_value(RuleArena& arena);
Expr json_object(RuleArena& arena);
/// White space between two tokens.
Regex json_space(RegexArena& arena);

}  // namespace fathom::grammar
