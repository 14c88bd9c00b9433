// What "not valid under this schema" comes to: one of its keywords fails.
#include <algorithm>

#include "grammar/schema/expand.h"

namespace fathom::grammar::schema {
namespace {

Demand with(const Literal& literal) { return {.literals = {literal}}; }

}  // namespace

void Expander::weaken(const Literal& literal, std::string_view why) {
  if (rough_) return;
  compilation_.findings.weaken(compilation_.schemas[literal.origin].pointer, literal.keyword, why);
}

/// The ways in which a value of that type can be invalid; nothing, and a finding, if they cannot be
/// told.
std::optional<Choice> Expander::negation(const Literal& literal) {
  const SchemaNode& node = compilation_.schemas[literal.node];
  if ((node.types & type_) == 0) return Choice{Demand{}};
  const bool lists = node.has_values && std::any_of(node.values.begin(), node.values.end(),
                                                    [&](const io::JsonValue* value) {
                                                      return type_of(*value) == type_;
                                                    });
  if (node.has_values && !lists) return Choice{Demand{}};
  if (!node.unsupported.empty()) {
    weaken(literal, "what " + node.pointer + " allows cannot be excluded");
    return std::nullopt;
  }
  Choice choice;
  if (node.has_values) negate_values(literal, node, choice);
  if (type_ == kObjectType) {
    negate_members(literal, node, choice);
  } else {
    if (node.unique_items || node.min_contains > 1 || node.max_contains != kUnbounded) {
      weaken(literal, "what " + node.pointer + " allows cannot be excluded");
      return std::nullopt;
    }
    negate_items(literal, node, choice);
  }
  negate_combinations(literal, node, choice);
  return choice;
}

/// None of the values: the size is another, a member is not there, or something in it differs.
void Expander::negate_values(const Literal& literal, const SchemaNode& node, Choice& choice) {
  std::vector<const io::JsonValue*> values;
  for (const io::JsonValue* value : node.values) {
    if (type_of(*value) == type_) values.push_back(value);
  }
  const auto other_than = [&](const io::JsonValue& value) {
    Literal inner = literal;
    inner.node = compilation_.schemas.constant(value);
    return inner;
  };
  if (values.size() > 1) {
    Demand none;
    for (const io::JsonValue* value : values) none.literals.push_back(other_than(*value));
    choice.push_back(std::move(none));
    return;
  }
  const io::JsonValue& value = *values[0];
  const auto size =
      static_cast<u32>(type_ == kObjectType ? value.as_object().size() : value.as_array().size());
  choice.push_back({.min_size = size + 1});
  if (type_ == kArrayType) {
    if (size > 0) choice.push_back({.max_size = size - 1});
    for (u32 i = 0; i < size; ++i) {
      choice.push_back({.items = {{i, other_than(value.as_array()[i])}}, .min_size = i + 1});
    }
    return;
  }
  for (const auto& [name, member] : value.as_object()) {
    choice.push_back({.forbidden = {name}});
    choice.push_back({.required = {name}, .members = {{name, other_than(member)}}});
  }
}

void Expander::negate_members(const Literal& literal, const SchemaNode& node, Choice& choice) {
  const auto negated = [&](NodeId id) {
    Literal inner = literal;
    inner.node = id;
    return inner;
  };
  for (const std::string& name : node.required) choice.push_back({.forbidden = {name}});
  for (const DependentRequired& dependent : node.dependent_required) {
    for (const std::string& name : dependent.required) {
      choice.push_back({.required = {dependent.name}, .forbidden = {name}});
    }
  }
  for (const NamedSchema& dependent : node.dependent_schemas) {
    choice.push_back({.literals = {negated(dependent.schema)}, .required = {dependent.name}});
  }
  for (const NamedSchema& property : node.properties) {
    if (allows_everything(compilation_.schemas[property.schema])) continue;
    choice.push_back(
        {.required = {property.name}, .members = {{property.name, negated(property.schema)}}});
  }
  const auto exists = [&](Existence::Where where, u32 index, NodeId schema) {
    if (allows_everything(compilation_.schemas[schema])) return;
    choice.push_back({.existences = {{where, literal.node, index, negated(schema)}}});
  };
  for (u32 i = 0; i < node.pattern_properties.size(); ++i) {
    exists(Existence::Where::kPattern, i, node.pattern_properties[i].schema);
  }
  if (node.additional_properties) {
    exists(Existence::Where::kAdditional, 0, *node.additional_properties);
  }
  if (node.property_names) exists(Existence::Where::kName, 0, *node.property_names);
  if (node.min_properties > 0) choice.push_back({.max_size = node.min_properties - 1});
  if (node.max_properties != kUnbounded) choice.push_back({.min_size = node.max_properties + 1});
}

void Expander::negate_items(const Literal& literal, const SchemaNode& node, Choice& choice) {
  const auto negated = [&](NodeId id) {
    Literal inner = literal;
    inner.node = id;
    return inner;
  };
  for (u32 i = 0; i < node.prefix_items.size(); ++i) {
    if (allows_everything(compilation_.schemas[node.prefix_items[i]])) continue;
    choice.push_back({.items = {{i, negated(node.prefix_items[i])}}, .min_size = i + 1});
  }
  if (node.items && !allows_everything(compilation_.schemas[*node.items])) {
    choice.push_back(
        {.existences = {{Existence::Where::kItem, literal.node,
                         static_cast<u32>(node.prefix_items.size()), negated(*node.items)}}});
  }
  if (node.min_items > 0) choice.push_back({.max_size = node.min_items - 1});
  if (node.max_items != kUnbounded) choice.push_back({.min_size = node.max_items + 1});
  if (node.contains && node.min_contains == 1) {
    choice.push_back({.every_item = {negated(*node.contains)}});
  }
}

void Expander::negate_combinations(const Literal& literal, const SchemaNode& node, Choice& choice) {
  const auto negated = [&](NodeId id) {
    Literal inner = literal;
    inner.node = id;
    return inner;
  };
  const auto none = [&](const std::vector<NodeId>& parts) {
    Demand demand;
    for (const NodeId part : parts) demand.literals.push_back(negated(part));
    return demand;
  };
  if (node.reference) choice.push_back(with(negated(*node.reference)));
  for (const NodeId part : node.all_of) choice.push_back(with(negated(part)));
  if (!node.any_of.empty()) choice.push_back(none(node.any_of));
  if (!node.one_of.empty()) {
    choice.push_back(none(node.one_of));
    for (size_t i = 0; i < node.one_of.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        choice.push_back({.literals = {{.node = node.one_of[j]}, {.node = node.one_of[i]}}});
      }
    }
  }
  if (node.negation) choice.push_back(with({.node = *node.negation}));
  if (!node.condition) return;
  if (node.consequent) {
    choice.push_back({.literals = {{.node = *node.condition}, negated(*node.consequent)}});
  }
  if (node.otherwise) {
    choice.push_back({.literals = {negated(*node.condition), negated(*node.otherwise)}});
  }
}

}  // namespace fathom::grammar::schema
