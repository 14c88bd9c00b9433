#include "grammar/schema/compile_schema.h"

#include <fmt/format.h>

#include "grammar/schema/emit/emit.h"

namespace fathom::grammar {
namespace {

using schema::Compilation;
using schema::Emitter;
using schema::SchemaError;

/// Everything that would have to be weakened, in one message.
void refuse_weakened(const std::vector<SchemaFinding>& findings) {
  std::string message;
  for (const SchemaFinding& finding : findings) {
    if (finding.kind != SchemaFinding::Kind::kWeakened) continue;
    message += fmt::format("{}{}: {} cannot be enforced: {}", message.empty() ? "schema: " : "; ",
                           finding.pointer, finding.keyword, finding.message);
  }
  if (!message.empty()) throw SchemaError(ErrorCode::kUnsupported, message);
}

}  // namespace

Result<CompiledSchema> compile_schema(RuleArena& arena, const io::JsonValue& schema,
                                      const SchemaOptions& options) {
  try {
    Compilation compilation(arena, schema, options);
    Emitter emitter(compilation);
    const Expr root = emitter.value({{.node = compilation.schemas.root()}});
    if (options.strict || options.fail_closed) refuse_weakened(compilation.findings.all());
    if (const auto unsatisfied = emitter.find_unsatisfied()) {
      schema::throw_invalid(*unsatisfied, "no value satisfies this schema");
    }
    return CompiledSchema{root, compilation.findings.take()};
  } catch (const SchemaError& error) {
    return tl::unexpected<Error>(error);
  }
}

Result<CompiledSchema> compile_plain_strings(RuleArena& arena, const io::JsonValue& schema,
                                             SchemaOptions options) {
  options.strings = Spelling::kUtf8;
  try {
    Compilation compilation(arena, schema, options);
    const schema::Literal root{.node = compilation.schemas.root()};
    const Regex texts = compilation.scalars.texts({&root, 1}, schema::kStringType);
    if (options.strict || options.fail_closed) refuse_weakened(compilation.findings.all());
    return CompiledSchema{arena.regex(texts), compilation.findings.take()};
  } catch (const SchemaError& error) {
    return tl::unexpected<Error>(error);
  }
}

}  // namespace fathom::grammar
