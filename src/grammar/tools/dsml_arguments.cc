#include "grammar/tools/dsml_arguments.h"

#include <algorithm>
#include <array>

#include "grammar/regex/characters.h"
#include "tokenizer/unicode/code_point_set.h"

namespace fathom::grammar {
namespace {

using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

class DsmlArguments {
 public:
  DsmlArguments(RuleArena& rules, ToolWriter& writer, const JsonObject& schema,
                std::vector<SchemaFinding>& findings)
      : rules_(rules), writer_(writer), schema_(schema), findings_(findings) {}

  Result<Expr> all() {
    std::vector<Argument> named;
    if (const JsonValue* properties = schema_.find("properties"); properties != nullptr) {
      if (!properties->is_object()) return invalid_input("properties: expected an object");
      for (const auto& [name, property] : properties->as_object()) {
        if (name.find_first_of("\"\n<>") != std::string::npos) {
          return unsupported("properties: DSML cannot write the name \"" + name + "\"");
        }
        const auto expr = argument(rules_.literal(name), property);
        if (!expr) return tl::unexpected(expr.error());
        named.push_back({*expr, is_required(name)});
      }
    }
    auto others = other_arguments();
    if (!others) return tl::unexpected(others.error());
    report_whole_object();
    return joined(named, *others);
  }

 private:
  struct Argument {
    Expr expr;
    bool required;
  };

  bool is_required(const std::string& name) const {
    const JsonValue* required = schema_.find("required");
    return required != nullptr && required->is_array() &&
           std::ranges::any_of(required->as_array(), [&](const JsonValue& each) {
             return each.is_string() && each.as_string() == name;
           });
  }

  /// `property` where the references inside it still find what they name.
  JsonValue in_place(const JsonValue& property, JsonArray types) const {
    JsonObject root;
    for (const char* key : {"$schema", "$id", "$defs", "definitions"}) {
      if (const JsonValue* value = schema_.find(key)) root.set(key, *value);
    }
    root.set("allOf", JsonArray{property});
    root.set("type", std::move(types));
    return JsonValue(std::move(root));
  }

  /// As a string, as another value, or either; nothing() if no value is valid.
  Result<Expr> argument(Expr name, const JsonValue& schema) {
    const auto strings = compile_plain_strings(rules_, in_place(schema, {"string"}));
    if (!strings) return tl::unexpected(strings.error());
    findings_.insert(findings_.end(), strings->findings.begin(), strings->findings.end());
    // An error here says that all that is valid are strings: others were found above.
    const auto others =
        compile_schema(rules_, in_place(schema, {"null", "boolean", "number", "object", "array"}));
    return rules_.choice(writer_.argument(name, true, strings->root),
                         writer_.argument(name, false, others ? others->root : rules_.nothing()));
  }

  /// Arguments that the schema does not name.
  Result<Expr> other_arguments() {
    const JsonValue* additional = schema_.find("additionalProperties");
    if (additional != nullptr && additional->is_bool() && !additional->as_bool()) {
      return rules_.nothing();
    }
    RegexArena& regexes = rules_.regexes();
    const tokenizer::CodePointSet in_names = tokenizer::CodePointSet::of(U"\"\n<>").complement();
    Regex name = regexes.repeat(one_of(regexes, in_names, Spelling::kUtf8), 1, 200);
    if (const JsonValue* properties = schema_.find("properties"); properties != nullptr) {
      std::vector<Regex> known;
      for (const auto& [key, property] : properties->as_object()) {
        known.push_back(regexes.literal(key));
      }
      name = regexes.subtract(name, regexes.alternate(std::move(known)));
    }
    const JsonValue anything(true);
    return argument(rules_.regex(name), additional == nullptr ? anything : *additional);
  }

  void report_whole_object() {
    constexpr std::array kSaidHere{"type",        "properties", "required", "additionalProperties",
                                   "$schema",     "$id",        "$defs",    "definitions",
                                   "description", "title",      "$comment", "examples",
                                   "default",     "strict"};
    for (const auto& [key, value] : schema_) {
      if (std::ranges::count(kSaidHere, std::string_view(key)) > 0) continue;
      findings_.push_back({.kind = SchemaFinding::Kind::kWeakened,
                           .pointer = "/" + key,
                           .keyword = key,
                           .message = "DSML's arguments are held to each property on its own"});
    }
  }

  // From the last argument to the first, once for a line that begins the list and once for one
  // behind another.
  Expr joined(const std::vector<Argument>& named, Expr others) {
    const Expr line = rules_.literal("\n");
    const Expr more = rules_.repeat(rules_.sequence(line, others), 0, kUnbounded);
    Expr behind = others == rules_.nothing() ? rules_.empty() : more;
    Expr first = rules_.optional(rules_.sequence(others, behind));
    for (size_t i = named.size(); i-- > 0;) {
      const Expr with = rules_.sequence(named[i].expr, behind);
      const Expr with_line = rules_.sequence(line, with);
      first = named[i].required ? with : rules_.choice(with, first);
      behind = named[i].required ? with_line : rules_.choice(with_line, behind);
    }
    return first;
  }

  RuleArena& rules_;
  ToolWriter& writer_;
  const JsonObject& schema_;
  std::vector<SchemaFinding>& findings_;
};

}  // namespace

Result<Expr> dsml_arguments(RuleArena& rules, ToolWriter& writer, const JsonValue* schema,
                            std::vector<SchemaFinding>& findings) {
  static const JsonObject kAnyObject;
  if (schema != nullptr && !schema->is_object()) return invalid_input("expected an object");
  return DsmlArguments(rules, writer, schema == nullptr ? kAnyObject : schema->as_object(),
                       findings)
      .all();
}

}  // namespace fathom::grammar
