#include "grammar/schema/expand.h"

#include <algorithm>

#include "grammar/schema/emptiness.h"
#include "grammar/schema/read/json_values.h"

namespace fathom::grammar::schema {
namespace {

constexpr size_t kMaxRecords = 2'000;
constexpr size_t kMaxRoughRecords = 100;

}  // namespace

std::vector<Record> Expander::records(const Literals& literals) {
  State state;
  state.to_apply.assign(literals.rbegin(), literals.rend());
  expand(std::move(state));
  if (too_many_) throw BudgetError("the schema combines too many alternatives");
  return std::move(found_);
}

std::optional<std::vector<Record>> Expander::rough_records(const Literals& literals) {
  rough_ = true;
  State state;
  state.to_apply.assign(literals.rbegin(), literals.rend());
  expand(std::move(state));
  if (too_many_) return std::nullopt;
  return std::move(found_);
}

// Depth first: first all that holds anyway, then each way to make the first open choice, then what
// is negated, since most of it holds already once everything else is known.
void Expander::expand(State state) {
  while (!too_many_) {
    compilation_.step();
    if (!apply_all(state)) return;
    if (state.record.has_values) break;
    if (!state.choices.empty()) {
      const Choice choice = std::move(state.choices.front());
      state.choices.erase(state.choices.begin());
      for (const Demand& demand : choice) {
        State next = state;
        if (apply_demand(next, demand)) expand(std::move(next));
      }
      return;
    }
    if (rough_) break;
    if (!state.negated.empty()) {
      if (!apply_next_negated(state)) return;
    } else if (!state.record.existences.empty()) {
      add_next_existence(state);
    } else {
      break;
    }
  }
  keep(std::move(state.record));
}

void Expander::keep(Record record) {
  if (record.has_values) {
    std::erase_if(record.values, [&](const io::JsonValue* value) {
      return !compilation_.validator.may_satisfy(record.seen, *value);
    });
  }
  if (found_.size() >= (rough_ ? kMaxRoughRecords : kMaxRecords)) {
    too_many_ = true;
  } else {
    found_.push_back(std::move(record));
  }
}

bool Expander::apply_all(State& state) {
  while (!state.to_apply.empty()) {
    const Literal literal = state.to_apply.back();
    state.to_apply.pop_back();
    if (!apply(state, literal)) return false;
  }
  return true;
}

bool Expander::apply(State& state, const Literal& literal) {
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
  const auto apply_later = [&](NodeId id) { state.to_apply.push_back({.node = id}); };
  std::for_each(node.all_of.rbegin(), node.all_of.rend(), apply_later);
  if (node.reference) apply_later(*node.reference);
  if (node.negation) {
    state.to_apply.insert(
        state.to_apply.begin(),
        {.node = *node.negation, .negated = true, .origin = literal.node, .keyword = "not"});
  }
  if (type_ == kObjectType) {
    apply_members(state, literal.node, node);
  } else {
    apply_items(state, literal.node, node);
  }
  add_any_of(state, node);
  add_one_of(state, literal.node, node);
  add_conditional(state, literal.node, node);
  return state.record.min_size <= state.record.max_size;
}

bool Expander::apply_values(State& state, const SchemaNode& node) {
  if (!node.has_values || state.record.has_values) return true;
  state.record.has_values = true;
  for (const io::JsonValue* value : node.values) {
    if (type_of(*value) == type_) state.record.values.push_back(value);
  }
  return !state.record.values.empty();
}

void Expander::apply_members(State& state, NodeId id, const SchemaNode& node) {
  Record& record = state.record;
  const bool says_object = compilation_.options.strict && node.types != kAllTypes;
  if (node.speaks_of_members() || says_object) record.sources.push_back(id);
  record.required.insert(record.required.end(), node.required.begin(), node.required.end());
  record.min_size = std::max(record.min_size, node.min_properties);
  record.max_size = std::min(record.max_size, node.max_properties);
  if (node.property_names) add_literal(record.names, {.node = *node.property_names});
  apply_dependencies(state, node);
}

void Expander::apply_dependencies(State& state, const SchemaNode& node) {
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
    add_choice(state, {absent, present});
  }
}

void Expander::apply_items(State& state, NodeId id, const SchemaNode& node) {
  Record& record = state.record;
  if (node.speaks_of_items()) record.sources.push_back(id);
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

void Expander::add_any_of(State& state, const SchemaNode& node) {
  if (node.any_of.empty()) return;
  Choice choice;
  for (const NodeId part : node.any_of) {
    if (contains(state.record.seen, {.node = part})) return;
    if (compilation_.schemas[part].allows_all(type_)) return;
    if ((compilation_.possible_types(part) & type_) == 0) continue;
    choice.push_back({.literals = {{.node = part}}});
  }
  if (choice.size() == 1) {
    state.to_apply.insert(state.to_apply.begin(), choice[0].literals[0]);
  } else {
    add_choice(state, std::move(choice));
  }
}

void Expander::add_one_of(State& state, NodeId id, const SchemaNode& node) {
  if (node.one_of.empty()) return;
  std::vector<NodeId> parts;
  for (const NodeId part : node.one_of) {
    if ((compilation_.possible_types(part) & type_) != 0) parts.push_back(part);
  }
  Choice choice;
  for (const NodeId& part : parts) {
    Demand demand{.literals = {{.node = part}}};
    for (const NodeId& other : parts) {
      if (rough_ || &other == &part) continue;
      demand.literals.push_back({.node = other, .negated = true, .origin = id, .keyword = "oneOf"});
    }
    choice.push_back(std::move(demand));
  }
  if (choice.size() == 1) {
    state.to_apply.insert(state.to_apply.begin(), choice[0].literals[0]);
  } else {
    add_choice(state, std::move(choice));
  }
}

void Expander::add_conditional(State& state, NodeId id, const SchemaNode& node) {
  if (!node.condition || (!node.consequent && !node.otherwise)) return;
  Demand holds{.literals = {{.node = *node.condition}}};
  Demand fails{
      .literals = {{.node = *node.condition, .negated = true, .origin = id, .keyword = "if"}}};
  if (node.consequent) holds.literals.push_back({.node = *node.consequent});
  if (node.otherwise) fails.literals.push_back({.node = *node.otherwise});
  add_choice(state, {std::move(holds), std::move(fails)});
}

bool Expander::apply_demand(State& state, const Demand& demand) {
  Record& record = state.record;
  const auto is_in = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const std::string& name : demand.required) {
    if (is_in(record.forbidden, name)) return false;
    if (!is_in(record.required, name)) record.required.push_back(name);
  }
  for (const std::string& name : demand.forbidden) {
    if (is_in(record.required, name)) return false;
    if (!is_in(record.forbidden, name)) record.forbidden.push_back(name);
  }
  state.to_apply.insert(state.to_apply.end(), demand.literals.rbegin(), demand.literals.rend());
  const auto append = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  append(record.members, demand.members);
  append(record.items, demand.items);
  append(record.existences, demand.existences);
  append(record.unnamed, demand.unnamed);
  for (const Literal& literal : demand.every_item) add_literal(record.every_item, literal);
  record.min_size = std::max(record.min_size, demand.min_size);
  record.max_size = std::min(record.max_size, demand.max_size);
  return record.min_size <= record.max_size;
}

bool Expander::apply_next_negated(State& state) {
  const Literal literal = state.negated.front();
  state.negated.erase(state.negated.begin());
  if (excludes(state, literal)) return true;
  auto choice = negation(literal);
  if (!choice) return true;  // reported
  if (choice->empty()) return false;
  add_choice(state, std::move(*choice));
  return true;
}

/// Does nothing satisfy both the record and what the literal negates?
bool Expander::excludes(const State& state, const Literal& negated) {
  Expander rough(compilation_, emptiness_, type_);
  rough.rough_ = true;
  State both{
      .record = state.record, .to_apply = {{.node = negated.node}}, .choices = {}, .negated = {}};
  std::erase(both.record.seen, negated);
  rough.expand(std::move(both));
  if (rough.too_many_) return false;
  return std::all_of(rough.found_.begin(), rough.found_.end(),
                     [&](const Record& record) { return emptiness_.is_void(record, type_); });
}

bool Expander::concerns(const Existence& existence, const std::string& name) {
  const SchemaNode& source = compilation_.schemas[existence.source];
  const std::string spelled = string_content(name);
  const auto matches = [&](const PatternSchema& pattern) {
    return compilation_.regexes.matches(pattern.keys, spelled);
  };
  switch (existence.where) {
    case Existence::Where::kPattern:
      return matches(source.pattern_properties[existence.index]);
    case Existence::Where::kName:
      return compilation_.validator.may_satisfy(std::span(&existence.value, 1),
                                                io::JsonValue(name));
    default:
      return !source.property(name) && std::none_of(source.pattern_properties.begin(),
                                                    source.pattern_properties.end(), matches);
  }
}

void Expander::add_next_existence(State& state) {
  const Existence existence = state.record.existences.back();
  Choice choice;
  if (existence.where == Existence::Where::kItem) {
    const u32 prefix = num_prefix_items(compilation_, state.record);
    for (u32 i = existence.index; i < prefix; ++i) {
      choice.push_back({.items = {{i, existence.value}}, .min_size = i + 1});
    }
  } else {
    for (const std::string& name : names_of(compilation_, state.record)) {
      if (!concerns(existence, name)) continue;
      Demand demand{.required = {name}};
      if (existence.where != Existence::Where::kName) demand.members = {{name, existence.value}};
      choice.push_back(std::move(demand));
    }
  }
  choice.push_back({.unnamed = {existence}});
  state.record.existences.pop_back();
  add_choice(state, std::move(choice));
}

}  // namespace fathom::grammar::schema
