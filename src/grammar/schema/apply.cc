// What the keywords of a schema add to a record in the making.
#include <algorithm>
#include <array>

#include "grammar/schema/expand.h"

namespace fathom::grammar::schema {
namespace {

/// Of one schema; properties come where the first of them stands.
constexpr std::array<std::string_view, 3> kOfMembers{"properties", "patternProperties",
                                                     "additionalProperties"};

/// The place of part number `index` of that keyword: place + position of the keyword + index, two
/// bytes each, so that the order of the texts is that of the places.
std::string place_in(const std::string& place, const SchemaNode& node, std::string_view keyword,
                     size_t index = 0) {
  const auto at = std::find(node.keywords.begin(), node.keywords.end(), keyword);
  std::string inner = place;
  for (const size_t number : {static_cast<size_t>(at - node.keywords.begin()), index}) {
    inner += static_cast<char>(number >> 8 & 0xFF);
    inner += static_cast<char>(number & 0xFF);
  }
  return inner;
}

}  // namespace

bool Expander::apply_all(State& state) {
  while (!state.to_apply.empty()) {
    const Placed placed = std::move(state.to_apply.back());
    state.to_apply.pop_back();
    if (!apply(state, placed)) return false;
  }
  return true;
}

bool Expander::apply(State& state, const Placed& placed) {
  const Literal& literal = placed.literal;
  Literal opposite = literal;
  opposite.negated = !literal.negated;
  if (contains(state.record.seen, literal)) return true;
  if (contains(state.record.seen, opposite)) return false;
  const SchemaNode& node = compilation_.schemas[literal.node];
  if (node.boolean) return *node.boolean != literal.negated;
  state.record.seen.push_back(literal);
  const bool possible = (compilation_.possible_types(literal.node) & type_) != 0;
  if (literal.negated) {
    if (possible) state.negated.push_back(literal);
    return true;
  }
  if (!possible || !apply_values(state, node)) return false;
  apply_keywords(state, node, placed);
  return state.record.min_size <= state.record.max_size;
}

void Expander::apply_keywords(State& state, const SchemaNode& node, const Placed& placed) {
  for (size_t i = node.all_of.size(); i-- > 0;) {
    state.to_apply.push_back({{.node = node.all_of[i]}, place_in(placed.place, node, "allOf", i)});
  }
  if (node.reference) {
    state.to_apply.push_back({{.node = *node.reference}, place_in(placed.place, node, "$ref")});
  }
  if (node.negation) {
    const Literal literal{
        .node = *node.negation, .negated = true, .origin = placed.literal.node, .keyword = "not"};
    state.to_apply.insert(state.to_apply.begin(), {literal});
  }
  if (type_ == kObjectType) {
    apply_members(state, node, placed);
  } else {
    apply_items(state, node, placed);
  }
  add_any_of(state, node, placed);
  add_one_of(state, node, placed);
  add_conditional(state, node, placed);
}

bool Expander::apply_values(State& state, const SchemaNode& node) {
  if (!node.has_values || state.record.has_values) return true;
  state.record.has_values = true;
  for (const io::JsonValue* value : node.values) {
    if (type_of(*value) == type_) state.record.values.push_back(value);
  }
  return !state.record.values.empty();
}

void Expander::apply_members(State& state, const SchemaNode& node, const Placed& placed) {
  Record& record = state.record;
  const bool says_object = compilation_.options.strict && node.types != kAllTypes;
  if (node.speaks_of_members() || says_object) {
    const auto first = std::find_first_of(node.keywords.begin(), node.keywords.end(),
                                          kOfMembers.begin(), kOfMembers.end());
    const std::string_view keyword = first == node.keywords.end() ? "properties" : *first;
    record.sources.push_back({placed.literal.node, place_in(placed.place, node, keyword)});
  }
  record.required.insert(record.required.end(), node.required.begin(), node.required.end());
  record.min_size = std::max(record.min_size, node.min_properties);
  record.max_size = std::min(record.max_size, node.max_properties);
  if (node.property_names) add_literal(record.names, {.node = *node.property_names});
  apply_dependencies(state, node, placed.place);
}

void Expander::apply_dependencies(State& state, const SchemaNode& node, const std::string& place) {
  for (const DependentRequired& dependent : node.dependent_required) {
    Demand absent, present;
    absent.forbidden = {dependent.name};
    present.required = dependent.required;
    add_choice(state, {absent, present});
  }
  for (const NamedSchema& dependent : node.dependent_schemas) {
    Demand absent, present;
    absent.forbidden = {dependent.name};
    present.literals = {{.node = dependent.schema}};
    present.place = place_in(place, node, "dependencies");
    add_choice(state, {absent, present});
  }
}

void Expander::apply_items(State& state, const SchemaNode& node, const Placed& placed) {
  Record& record = state.record;
  const NodeId id = placed.literal.node;
  if (node.speaks_of_items()) record.sources.push_back({id, placed.place});
  if (node.unique_items && !record.unique_items) record.unique_items = id;
  record.min_size = std::max(record.min_size, node.min_items);
  record.max_size = std::min(record.max_size, node.max_items);
  if (!node.contains) return;
  const Literal item{.node = *node.contains};
  if (node.max_contains == 0) {
    add_literal(record.every_item,
                {.node = item.node, .negated = true, .origin = id, .keyword = "maxContains"});
  } else if (node.max_contains != kUnbounded) {
    weaken({.origin = id, .keyword = "maxContains"}, "maxContains is not supported");
  }
  if (node.min_contains > 1) {
    weaken({.origin = id, .keyword = "minContains"}, "more than 1 is not supported");
  }
  if (node.min_contains > 0) {
    record.existences.push_back({.where = Existence::Where::kItem, .value = item});
  }
}

void Expander::add_choice(State& state, Choice choice) {
  state.choices.push_back(std::move(choice));
}

/// A choice whose demands are literals; without a choice if there is but one.
void Expander::add_alternatives(State& state, Choice choice) {
  if (choice.size() != 1) {
    add_choice(state, std::move(choice));
    return;
  }
  for (const Literal& literal : choice[0].literals) {
    state.to_apply.insert(state.to_apply.begin(), {literal, choice[0].place});
  }
}

void Expander::add_any_of(State& state, const SchemaNode& node, const Placed& placed) {
  if (node.any_of.empty()) return;
  Choice choice;
  for (size_t i = 0; i < node.any_of.size(); ++i) {
    const NodeId part = node.any_of[i];
    if (contains(state.record.seen, {.node = part})) return;
    if (compilation_.schemas[part].allows_all(type_)) return;
    if ((compilation_.possible_types(part) & type_) == 0) continue;
    choice.push_back(
        {.literals = {{.node = part}}, .place = place_in(placed.place, node, "anyOf", i)});
  }
  add_alternatives(state, std::move(choice));
}

void Expander::add_one_of(State& state, const SchemaNode& node, const Placed& placed) {
  if (node.one_of.empty()) return;
  const auto possible = [&](NodeId part) {
    return (compilation_.possible_types(part) & type_) != 0;
  };
  Choice choice;
  for (size_t i = 0; i < node.one_of.size(); ++i) {
    if (!possible(node.one_of[i])) continue;
    Demand demand{.literals = {{.node = node.one_of[i]}},
                  .place = place_in(placed.place, node, "oneOf", i)};
    for (size_t other = 0; other < node.one_of.size() && !rough_; ++other) {
      if (other == i || !possible(node.one_of[other])) continue;
      demand.literals.push_back({.node = node.one_of[other],
                                 .negated = true,
                                 .origin = placed.literal.node,
                                 .keyword = "oneOf"});
    }
    choice.push_back(std::move(demand));
  }
  add_alternatives(state, std::move(choice));
}

void Expander::add_conditional(State& state, const SchemaNode& node, const Placed& placed) {
  if (!node.condition || (!node.consequent && !node.otherwise)) return;
  const std::string place = place_in(placed.place, node, "if");
  const Literal fails{
      .node = *node.condition, .negated = true, .origin = placed.literal.node, .keyword = "if"};
  Demand then{.literals = {{.node = *node.condition}}, .place = place};
  Demand otherwise{.literals = {fails}, .place = place};
  if (node.consequent) then.literals.push_back({.node = *node.consequent});
  if (node.otherwise) otherwise.literals.push_back({.node = *node.otherwise});
  add_choice(state, {std::move(then), std::move(otherwise)});
}

}  // namespace fathom::grammar::schema
