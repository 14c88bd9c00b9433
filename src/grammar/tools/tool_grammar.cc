#include "grammar/tools/tool_grammar.h"

#include <algorithm>

#include "grammar/tools/dsml_arguments.h"
#include "io/json.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

/// Names that every format can write.
Result<void> check_name(const std::string& name) {
  constexpr size_t kMaxBytes = 256;
  const bool fits = !name.empty() && name.size() <= kMaxBytes &&
                    tokenizer::valid_utf8_prefix_bytes(name) == name.size();
  bool plain = true;
  for (const char c : name) {
    plain &= static_cast<u8>(c) > 0x20 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '`';
  }
  if (fits && plain) return {};
  return invalid_input(
      "expected a name of 1 to 256 bytes without spaces, quotes, \\, ` or "
      "angle brackets, found \"" +
      name + "\"");
}

/// The schema of just the objects that `schema` lets through: arguments are nothing else.
Result<io::JsonValue> of_objects(io::JsonValue schema) {
  if (!schema.is_object()) return schema;
  io::JsonObject object = schema.as_object();
  const auto is_object = [](const io::JsonValue& type) {
    return type.is_string() && type.as_string() == "object";
  };
  const io::JsonValue* const type = object.find("type");
  if (type != nullptr && !is_object(*type) &&
      !(type->is_array() && std::ranges::any_of(type->as_array(), is_object))) {
    return invalid_input("type: expected \"object\", found " + io::describe(*type));
  }
  object.set("type", "object");
  return io::JsonValue(std::move(object));
}

class ToolCompiler {
 public:
  ToolCompiler(RuleArena& rules, const ToolSpec& spec, std::vector<SchemaFinding>& findings)
      : rules_(rules), spec_(spec), findings_(findings), writer_(rules, spec) {}

  Result<Expr> calls() {
    std::vector<Expr> each;
    for (const Tool& tool : spec_.tools) {
      if (auto checked = check_name(tool.name); !checked) return tl::unexpected(checked.error());
      const auto arguments = arguments_of(tool);
      if (!arguments) {
        return fail(arguments.error().code(),
                    "the parameters of \"" + tool.name + "\": " + arguments.error().message());
      }
      each.push_back(writer_.call(tool, *arguments));
    }
    const Expr call = rules_.choice(std::move(each));
    if (spec_.format == ToolFormat::kLlama) return call;  // one alone
    const Expr next = rules_.sequence(writer_.separator(), call);
    return writer_.wrap(
        rules_.sequence(call, rules_.repeat(next, 0, spec_.parallel ? kUnbounded : 0)));
  }
  Expr free_text() { return rules_.regex(writer_.free_text()); }

 private:
  Result<Expr> arguments_of(const Tool& tool) {
    if (tool.parameters.empty() || tool.strict == false) return arguments_under(nullptr, {});
    auto schema = io::parse_json(tool.parameters, "the schema", kSchemaLimits);
    const SchemaOptions options{.strict = tool.strict.value_or(false)};
    std::vector<SchemaFinding> found;
    if (schema) schema = of_objects(*std::move(schema));
    auto arguments = schema ? arguments_under(&*schema, options, &found)
                            : Result<Expr>(tl::unexpected(schema.error()));
    if (!arguments && !tool.strict) {
      findings_.push_back({.kind = SchemaFinding::Kind::kWeakened,
                           .pointer = "the schema of " + tool.name,
                           .keyword = "parameters",
                           .message = "any object: " + arguments.error().message()});
      return arguments_under(nullptr, {});
    }
    for (SchemaFinding& finding : found) {
      finding.pointer = tool.name + ":" + finding.pointer;
      findings_.push_back(std::move(finding));
    }
    return arguments;
  }

  /// Without a schema any object.
  Result<Expr> arguments_under(const io::JsonValue* schema, const SchemaOptions& options,
                               std::vector<SchemaFinding>* found = nullptr) {
    std::vector<SchemaFinding> unread;
    std::vector<SchemaFinding>& findings = found == nullptr ? unread : *found;
    if (spec_.format == ToolFormat::kDsml) {
      return dsml_arguments(rules_, writer_, schema, findings);
    }
    if (schema == nullptr) return json_object(rules_);
    auto compiled = compile_schema(rules_, *schema, options);
    if (!compiled) return tl::unexpected(compiled.error());
    findings = std::move(compiled->findings);
    return compiled->root;
  }

  RuleArena& rules_;
  const ToolSpec& spec_;
  std::vector<SchemaFinding>& findings_;
  ToolWriter writer_;
};

}  // namespace

std::set<std::string> tool_tokens(const tokenizer::Tokenizer& tokenizer) {
  std::set<std::string> tokens;
  for (const ToolFormat format :
       {ToolFormat::kPlain, ToolFormat::kDsml, ToolFormat::kChatMl, ToolFormat::kKimi}) {
    for (const std::string_view mark : tokenizer::tool_marks(format)) {
      const auto id = tokenizer.token_to_id(mark);
      if (id && tokenizer.is_control(*id)) tokens.emplace(mark);
    }
  }
  return tokens;
}

Result<std::optional<ToolSpec>> tool_spec(const tokenizer::ChatTemplate& chat_template,
                                          const tokenizer::ChatRequest& request,
                                          const tokenizer::Tokenizer& tokenizer) {
  const tokenizer::ToolUse& use = request.tool_use;
  const auto format = tokenizer::tool_format(chat_template.dialect);
  if (request.tools.empty()) return std::nullopt;
  if (!format) {
    const bool free = use.choice == ToolSpec::Choice::kAuto && use.names.empty() && use.parallel;
    if (free) return std::nullopt;
    return unsupported("tool_choice: calls of the chat template " +
                       std::string(chat_template.name) + " cannot be asked for");
  }
  ToolSpec spec{.format = *format,
                .choice = use.choice,
                .parallel = use.parallel,
                .tokens = tool_tokens(tokenizer)};
  for (size_t i = 0; i < request.tools.size(); ++i) {
    const std::string where = "tools[" + std::to_string(i) + "]";
    const auto definition = io::parse_json(request.tools[i], where);
    if (!definition) return tl::unexpected(definition.error());
    const auto function = io::get_object(*definition, "function", where);
    if (!function) return tl::unexpected(function.error());
    const auto name = io::get_string(*definition->find("function"), "name", where + ".function");
    if (!name) return tl::unexpected(name.error());
    if (!use.names.empty() && std::ranges::count(use.names, *name) == 0) continue;
    Tool tool{.name = *name};
    if (const io::JsonValue* parameters = (*function)->find("parameters")) {
      tool.parameters = io::write_json(*parameters);
    }
    const io::JsonValue* strict = (*function)->find("strict");
    if (strict != nullptr && strict->is_bool()) tool.strict = strict->as_bool();
    spec.tools.push_back(std::move(tool));
  }
  return spec;
}

Result<Expr> compile_tools(RuleArena& rules, const ToolSpec& spec, std::optional<Expr> value,
                           std::vector<SchemaFinding>& findings) {
  ToolCompiler compiler(rules, spec, findings);
  if (spec.tools.empty()) return value ? *value : compiler.free_text();
  const auto calls = compiler.calls();
  if (!calls || spec.choice == ToolSpec::Choice::kRequired) return calls;
  if (value) return rules.choice(*calls, *value);
  // Without a mark a call is one from the first byte on.
  if (spec.format == ToolFormat::kLlama) return rules.choice(compiler.free_text(), *calls);
  return rules.sequence(compiler.free_text(), rules.optional(*calls));
}

}  // namespace fathom::grammar
