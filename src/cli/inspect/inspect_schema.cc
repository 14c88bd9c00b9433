#include "cli/inspect/inspect_schema.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "cli/command.h"
#include "cli/options/text_input.h"
#include "cli/output.h"
#include "grammar/schema/compile_schema.h"
#include "io/json.h"

namespace fathom::cli {
namespace {

using grammar::SchemaFinding;
using Kind = SchemaFinding::Kind;

/// What is said of a schema, or why it cannot be compiled.
struct Reading {
  std::vector<SchemaFinding> findings;
  i64 num_expressions = 0;
  double compile_s = 0.0;
  std::string error;
};

Reading read(const io::JsonValue& schema, const grammar::SchemaOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  Reading reading;
  try {
    grammar::RuleArena rules;
    rules.deadline().set(grammar::Budget{}.compile_s, "compiling the schema");
    auto compiled = grammar::compile_schema(rules, schema, options);
    if (!compiled) throw compiled.error();
    value_or_throw(rules.finish());
    if (!rules.can_match(compiled->root)) reading.error = "schema: no value satisfies it";
    reading.findings = std::move(compiled->findings);
    reading.num_expressions = rules.regexes().num_nodes();
  } catch (const Error& error) {  // of the schema, or of its budget
    if (error.code() != ErrorCode::kInvalidInput && error.code() != ErrorCode::kUnsupported) throw;
    reading.error = error.message();
  }
  reading.compile_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return reading;
}

struct KindText {
  Kind kind;
  const char* name;   // the JSON member
  const char* title;  // above a list
};
constexpr std::array kKinds{
    KindText{Kind::kWeakened, "weakened", "weakened: an answer may break these"},
    KindText{Kind::kEnforced, "enforced", "enforced"},
    KindText{Kind::kAnnotation, "annotations", "annotations, which forbid nothing"}};

std::vector<SchemaFinding> of_kind(const Reading& reading, Kind kind) {
  std::vector<SchemaFinding> found;
  std::copy_if(reading.findings.begin(), reading.findings.end(), std::back_inserter(found),
               [&](const SchemaFinding& finding) { return finding.kind == kind; });
  return found;
}

void print_text(const Reading& reading, const Reading& strict) {
  for (const KindText& kind : kKinds) {
    const std::vector<SchemaFinding> findings = of_kind(reading, kind.kind);
    if (findings.empty()) continue;
    out::print("{}\n", kind.title);
    for (const SchemaFinding& finding : findings) {
      const bool explained = !finding.message.empty();
      out::print("  {}{}{}\n", finding.pointer, explained ? ": " : "", finding.message);
    }
  }
  out::print("compiled in {:.1f} ms, {} expressions\n", reading.compile_s * 1e3,
             reading.num_expressions);
  if (!strict.error.empty()) out::print("strict would refuse it: {}\n", strict.error);
}

io::JsonValue to_json(const Reading& reading, const Reading& strict) {
  io::JsonObject object;
  object.set("compiles", reading.error.empty());
  object.set("error", reading.error);
  for (const KindText& kind : kKinds) {
    io::JsonArray findings;
    for (const SchemaFinding& finding : of_kind(reading, kind.kind)) {
      io::JsonObject entry;
      entry.set("pointer", finding.pointer);
      entry.set("keyword", finding.keyword);
      entry.set("message", finding.message);
      findings.emplace_back(std::move(entry));
    }
    object.set(kind.name, std::move(findings));
  }
  object.set("strict_error", strict.error);
  object.set("expressions", reading.num_expressions);
  object.set("compile_s", reading.compile_s);
  return object;
}

}  // namespace

int inspect_schema(const std::string& path, bool json) {
  const io::JsonValue schema =
      value_or_throw(io::parse_json(read_text(path), path, grammar::kSchemaLimits));
  const Reading reading = read(schema, {});
  if (!json && !reading.error.empty()) {
    throw Error(ErrorCode::kInvalidInput, path + ": " + reading.error);
  }
  const Reading strict = read(schema, {.strict = true});
  if (json) {
    out::print("{}\n", io::write_json(to_json(reading, strict)));
  } else {
    print_text(reading, strict);
  }
  return reading.error.empty() ? kExitOk : kExitUserError;
}

}  // namespace fathom::cli
