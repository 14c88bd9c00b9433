#pragma once
#include "grammar/tools/tool_writer.h"
#include "io/json.h"

namespace fathom::grammar {

/// The arguments of a DSML call, a line each: those of the schema's properties in their order, of
/// which all may be left out but the required ones; then others, where additionalProperties lets
/// them through. A string is written as it is, any other value as JSON. Of keywords that speak of
/// the object as a whole `required` and `additionalProperties` are enforced; the others are in
/// `findings`. No `schema`: any arguments.
Result<Expr> dsml_arguments(RuleArena& rules, ToolWriter& writer, const io::JsonValue* schema,
                            std::vector<SchemaFinding>& findings);

}  // namespace fathom::grammar
