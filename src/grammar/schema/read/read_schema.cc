#include "grammar/schema/read/read_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace fathom::grammar::schema {
namespace {

using io::JsonValue;

constexpr size_t kMaxSchemas = 20'000;

}  // namespace

Draft draft_of(const JsonValue& root) {
  constexpr std::array<std::pair<std::string_view, Draft>, 5> kDrafts{{
      {"draft-04", Draft::k4},
      {"draft-06", Draft::k6},
      {"draft-07", Draft::k7},
      {"2019-09", Draft::k2019},
      {"2020-12", Draft::k2020},
  }};
  const JsonValue* name = root.find("$schema");
  if (name == nullptr || !name->is_string()) return Draft::k2020;
  for (const auto& [part, draft] : kDrafts) {
    if (name->as_string().find(part) != std::string::npos) return draft;
  }
  return Draft::k2020;
}

/// How a keyword is read, and the drafts that have it.
struct SchemaReader::Rule {
  std::string_view name;
  void (SchemaReader::*read)(const Keyword&);
  Draft since = Draft::k4;
  Draft until = Draft::k2020;
};

const SchemaReader::Rule* SchemaReader::find_rule(std::string_view name) {
  using R = SchemaReader;
  static const std::array<Rule, 44> kRules{{
      {"type", &R::read_type},
      {"enum", &R::read_enum},
      {"const", &R::read_const, Draft::k6},
      {"minimum", &R::read_bound},
      {"maximum", &R::read_bound},
      {"exclusiveMinimum", &R::read_bound},
      {"exclusiveMaximum", &R::read_bound},
      {"multipleOf", &R::read_multiple_of},
      {"minLength", &R::read_length},
      {"maxLength", &R::read_length},
      {"minItems", &R::read_length},
      {"maxItems", &R::read_length},
      {"minProperties", &R::read_length},
      {"maxProperties", &R::read_length},
      {"minContains", &R::read_length, Draft::k2019},
      {"maxContains", &R::read_length, Draft::k2019},
      {"pattern", &R::read_pattern},
      {"format", &R::read_format},
      {"properties", &R::read_properties},
      {"patternProperties", &R::read_pattern_properties},
      {"additionalProperties", &R::read_schema_keyword},
      {"propertyNames", &R::read_schema_keyword, Draft::k6},
      {"required", &R::read_required},
      {"dependencies", &R::read_dependencies},
      {"dependentRequired", &R::read_dependencies, Draft::k2019},
      {"dependentSchemas", &R::read_dependencies, Draft::k2019},
      {"items", &R::read_items},
      {"prefixItems", &R::read_list, Draft::k2020},
      {"additionalItems", &R::read_additional_items},
      {"contains", &R::read_schema_keyword, Draft::k6},
      {"uniqueItems", &R::read_unique_items},
      {"$ref", &R::read_reference},
      {"$recursiveRef", &R::read_unevaluated, Draft::k2019, Draft::k2019},
      {"$dynamicRef", &R::read_unevaluated, Draft::k2020},
      {"allOf", &R::read_list},
      {"anyOf", &R::read_list},
      {"oneOf", &R::read_list},
      {"not", &R::read_schema_keyword},
      {"if", &R::read_schema_keyword, Draft::k7},
      {"then", &R::read_schema_keyword, Draft::k7},
      {"else", &R::read_schema_keyword, Draft::k7},
      {"unevaluatedItems", &R::read_unevaluated, Draft::k2019},
      {"unevaluatedProperties", &R::read_unevaluated, Draft::k2019},
      {"$vocabulary", &R::read_annotation},
  }};
  static const std::unordered_map<std::string_view, const Rule*> by_name = [] {
    std::unordered_map<std::string_view, const Rule*> map;
    for (const Rule& rule : kRules) map.emplace(rule.name, &rule);
    return map;
  }();
  const auto known = by_name.find(name);
  return known == by_name.end() ? nullptr : known->second;
}

SchemaReader::SchemaReader(RegexArena& regexes, const JsonValue& root, const SchemaOptions& options,
                           Findings& findings)
    : regexes_(regexes), options_(options), findings_(findings), draft_(draft_of(root)) {
  references_ = std::make_unique<References>(root, draft_ == Draft::k4 ? "id" : "$id");
  node_for(root, "");
  for (size_t i = 0; i < nodes_.size(); ++i) read(NodeId{static_cast<u32>(i)}, *to_read_[i]);
}

NodeId SchemaReader::node_for(const JsonValue& schema, std::string pointer) {
  const auto [known, is_new] = ids_.emplace(&schema, NodeId{static_cast<u32>(nodes_.size())});
  if (!is_new) return known->second;
  if (!schema.is_object() && !schema.is_bool()) {
    throw_invalid(pointer, fmt::format("expected a schema (an object or a boolean), found {}",
                                       io::describe(schema)));
  }
  if (nodes_.size() >= kMaxSchemas) {
    throw_unsupported(pointer, fmt::format("more than {} schemas", kMaxSchemas));
  }
  nodes_.emplace_back().pointer = std::move(pointer);
  to_read_.push_back(&schema);
  return known->second;
}

NodeId SchemaReader::constant(const JsonValue& value) {
  const auto [known, is_new] = constants_.emplace(&value, NodeId{static_cast<u32>(nodes_.size())});
  if (is_new) {
    SchemaNode& node = nodes_.emplace_back();
    node.has_values = true;
    node.values = {&value};
  }
  return known->second;
}

void SchemaReader::read(NodeId id, const JsonValue& schema) {
  SchemaNode& node = nodes_[static_cast<size_t>(id)];
  if (schema.is_bool()) {
    node.boolean = schema.as_bool();
    return;
  }
  // Up to draft 7 what stands beside $ref is ignored.
  const bool reference_only =
      draft_ <= Draft::k7 && schema.find("$ref") != nullptr && schema.find("$ref")->is_string();
  for (const auto& [name, value] : schema.as_object()) {
    const Keyword keyword{node, name, value, schema};
    node.keywords.push_back(name);
    if (reference_only && name != "$ref") {
      read_annotation(keyword);
    } else {
      read_keyword(keyword);
    }
  }
  const auto unsupported = [&](std::string_view name) {
    return std::find(node.unsupported.begin(), node.unsupported.end(), name) !=
           node.unsupported.end();
  };
  if (unsupported("patternProperties") && node.additional_properties) {
    node.additional_properties.reset();
    findings_.weaken(node.pointer, "additionalProperties",
                     "which properties are additional depends on a pattern that is not supported");
  }
}

void SchemaReader::read_keyword(const Keyword& keyword) {
  const Rule* rule = find_rule(keyword.name);
  if (rule == nullptr || draft_ < rule->since || draft_ > rule->until) {
    read_annotation(keyword);
    return;
  }
  findings_.add(SchemaFinding::Kind::kEnforced, keyword.pointer(), keyword.name);
  (this->*rule->read)(keyword);
}

void SchemaReader::read_annotation(const Keyword& keyword) {
  findings_.add(SchemaFinding::Kind::kAnnotation, keyword.pointer(), keyword.name);
}

void SchemaReader::read_schema_keyword(const Keyword& keyword) {
  constexpr std::array<std::pair<std::string_view, std::optional<NodeId> SchemaNode::*>, 7>
      kMembers{{{"additionalProperties", &SchemaNode::additional_properties},
                {"propertyNames", &SchemaNode::property_names},
                {"contains", &SchemaNode::contains},
                {"not", &SchemaNode::negation},
                {"if", &SchemaNode::condition},
                {"then", &SchemaNode::consequent},
                {"else", &SchemaNode::otherwise}}};
  for (const auto& [name, member] : kMembers) {
    if (name == keyword.name) keyword.node.*member = node_for(keyword.value, keyword.pointer());
  }
}

void SchemaReader::read_list(const Keyword& keyword) {
  constexpr std::array<std::pair<std::string_view, std::vector<NodeId> SchemaNode::*>, 4> kMembers{
      {{"allOf", &SchemaNode::all_of},
       {"anyOf", &SchemaNode::any_of},
       {"oneOf", &SchemaNode::one_of},
       {"prefixItems", &SchemaNode::prefix_items}}};
  if (!keyword.value.is_array() || keyword.value.as_array().empty()) {
    throw_invalid(keyword.pointer(), fmt::format("expected schemas in an array, found {}",
                                                 io::describe(keyword.value)));
  }
  for (const auto& [name, member] : kMembers) {
    if (name != keyword.name) continue;
    size_t index = 0;
    for (const JsonValue& schema : keyword.value.as_array()) {
      (keyword.node.*member).push_back(node_for(schema, pointer_to(keyword.pointer(), index++)));
    }
  }
}

void SchemaReader::read_reference(const Keyword& keyword) {
  if (!keyword.value.is_string()) {
    throw_invalid(keyword.pointer(),
                  fmt::format("expected a string, found {}", io::describe(keyword.value)));
  }
  const std::string& uri = keyword.value.as_string();
  const auto target = references_->find(keyword.schema, uri);
  if (!target) {
    keyword.node.unsupported.emplace_back(keyword.name);
    findings_.weaken(keyword.node.pointer, keyword.name,
                     fmt::format("\"{}\" is not in this document, and nothing is fetched", uri));
    return;
  }
  if (target->schema == nullptr) {
    throw_invalid(keyword.pointer(), fmt::format("\"{}\" refers to nothing", uri));
  }
  keyword.node.reference = node_for(*target->schema, target->pointer);
}

void SchemaReader::read_unevaluated(const Keyword& keyword) {
  keyword.node.unsupported.emplace_back(keyword.name);
  findings_.weaken(keyword.node.pointer, keyword.name,
                   fmt::format("{} is not supported", keyword.name));
}

}  // namespace fathom::grammar::schema
