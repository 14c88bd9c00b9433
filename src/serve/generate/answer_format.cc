#include "serve/generate/answer_format.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"

namespace fathom::serve {
namespace {

using grammar::GrammarSpec;
using io::JsonValue;

/// Sets the form, once.
void set(FieldReader& reader, std::string_view name, GrammarSpec spec, AnswerFormat& format) {
  const std::string field = reader.path(name);
  if (!format.field.empty()) {
    return reader.fail(bad_request(
        "unsupported_value", field,
        fmt::format("{}: {} has said already what the answer has to be", field, format.field)));
  }
  format = {.spec = std::move(spec), .field = field};
}

/// A schema, or its text.
void read_schema(FieldReader& reader, std::string_view name, bool strict, AnswerFormat& format) {
  const JsonValue* const value = reader.find(name);
  if (value == nullptr) return;
  if (!value->is_object() && !value->is_string() && !value->is_bool()) {
    return reader.fail_type(name, "a JSON Schema", *value);
  }
  set(reader, name,
      {.kind = GrammarSpec::Kind::kJsonSchema,
       .text = value->is_string() ? value->as_string() : io::write_json(*value),
       .schema = {.strict = strict}},
      format);
}

void read_pattern(FieldReader& reader, std::string_view name, GrammarSpec::Kind kind,
                  AnswerFormat& format) {
  if (auto text = reader.text(name)) {
    set(reader, name, {.kind = kind, .text = std::move(*text)}, format);
  }
}

void read_choice(FieldReader& reader, std::string_view name, AnswerFormat& format) {
  const io::JsonArray* const choices = reader.array(name, 10'000);
  if (choices == nullptr) return;
  GrammarSpec spec{.kind = GrammarSpec::Kind::kChoice};
  for (const JsonValue& choice : *choices) {
    if (!choice.is_string()) return reader.fail_type(name, "strings", choice);
    spec.choices.push_back(choice.as_string());
  }
  if (choices->empty()) return reader.fail_range(name, "at least one text", *reader.find(name));
  set(reader, name, std::move(spec), format);
}

/// vLLM's structured_outputs.
void read_structured_outputs(FieldReader& reader, AnswerFormat& format) {
  const io::JsonObject* const object = reader.object("structured_outputs");
  if (object == nullptr) return;
  FieldReader inner(*object, reader.path("structured_outputs") + ".");
  read_schema(inner, "json", false, format);
  read_pattern(inner, "regex", GrammarSpec::Kind::kRegex, format);
  read_choice(inner, "choice", format);
  read_pattern(inner, "grammar", GrammarSpec::Kind::kEbnf, format);
  if (inner.boolean("json_object").value_or(false)) {
    set(inner, "json_object", {.kind = GrammarSpec::Kind::kJsonObject}, format);
  }
  static constexpr std::array kRules = {FieldRule{"json"}, FieldRule{"regex"}, FieldRule{"choice"},
                                        FieldRule{"grammar"}, FieldRule{"json_object"}};
  const std::array<std::span<const FieldRule>, 1> rules = {kRules};
  for (const std::string& name : inner.check(rules)) {
    inner.fail(bad_request("unsupported_parameter", inner.path(name),
                           inner.path(name) + ": nothing of this name is known here"));
  }
  if (inner.error()) reader.fail(*inner.error());
}

}  // namespace

std::span<const FieldRule> answer_format_rules() {
  static constexpr std::array kRules = {
      FieldRule{"response_format"}, FieldRule{"structured_outputs"}, FieldRule{"guided_json"},
      FieldRule{"guided_regex"},    FieldRule{"guided_choice"},      FieldRule{"guided_grammar"},
      FieldRule{"grammar"},         FieldRule{"json_schema"},
  };
  return kRules;
}

void read_response_format(FieldReader& reader, std::string_view name, bool is_flat,
                          AnswerFormat& format) {
  const io::JsonObject* const object = reader.object(name);
  if (object == nullptr) return;
  FieldReader inner(*object, reader.path(name) + ".");
  const std::string type = inner.text("type").value_or("");
  if (type == "json_object") {
    set(reader, name, {.kind = GrammarSpec::Kind::kJsonObject}, format);
  } else if (type == "json_schema") {
    const io::JsonObject* const nested = is_flat ? object : inner.object("json_schema");
    if (nested == nullptr) {
      inner.fail(bad_request("missing_required_parameter", inner.path("json_schema"),
                             inner.path("json_schema") + ": expected an object, found none"));
    } else {
      FieldReader schema(*nested, is_flat ? inner.path("") : inner.path("json_schema."));
      const bool strict = schema.boolean("strict").value_or(false);
      if (schema.find("schema") == nullptr) {
        schema.fail(bad_request("missing_required_parameter", schema.path("schema"),
                                schema.path("schema") + ": expected a JSON Schema, found none"));
      }
      read_schema(schema, "schema", strict, format);
      if (schema.error()) reader.fail(*schema.error());
    }
  } else if (type != "text") {
    inner.fail(bad_request("unsupported_value", inner.path("type"),
                           inner.path("type") +
                               ": expected \"text\", \"json_object\" or \"json_schema\", found " +
                               (type.empty() ? "none" : "\"" + printable(type) + "\"")));
  }
  if (inner.error()) reader.fail(*inner.error());
}

AnswerFormat read_answer_format(FieldReader& reader) {
  AnswerFormat format;
  read_response_format(reader, "response_format", false, format);
  read_structured_outputs(reader, format);
  read_schema(reader, "guided_json", false, format);
  read_schema(reader, "json_schema", false, format);
  read_pattern(reader, "guided_regex", GrammarSpec::Kind::kRegex, format);
  read_choice(reader, "guided_choice", format);
  read_pattern(reader, "guided_grammar", GrammarSpec::Kind::kEbnf, format);
  read_pattern(reader, "grammar", GrammarSpec::Kind::kEbnf, format);
  return format;
}

ApiResult<std::shared_ptr<const grammar::Grammar>> compile_format(
    const ServedModel& model, const AnswerFormat& format, std::vector<std::string>& ignored) {
  if (format.spec.kind == GrammarSpec::Kind::kText && !format.spec.tools) return nullptr;
  auto compiled = model.grammars->get(format.spec);
  if (!compiled) {
    const std::string field = format.field.empty() ? "tools" : format.field;
    const bool refused = compiled.error().code() == ErrorCode::kUnsupported;
    return tl::unexpected(bad_request(refused ? "unsupported_schema" : "invalid_schema", field,
                                      field + ": " + printable(compiled.error().message())));
  }
  for (const grammar::SchemaFinding& finding : compiled->findings) {
    if (finding.kind != grammar::SchemaFinding::Kind::kWeakened) continue;
    ignored.push_back((format.field.empty() ? "tools" : format.field) + finding.pointer);
  }
  return compiled->grammar;
}

}  // namespace fathom::serve
