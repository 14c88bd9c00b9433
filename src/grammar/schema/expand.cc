#include "grammar/schema/expand.h"

#include <algorithm>

#include "grammar/schema/emptiness.h"
#include "grammar/schema/read/json_values.h"

namespace fathom::grammar::schema {
namespace {

constexpr size_t kMaxRecords = 2'000;
constexpr size_t kMaxRoughRecords = 100;
constexpr i64 kMaxChoices = 1'000;  // made one after the other

}  // namespace

Expander::State Expander::start(const Literals& literals) {
  State state;
  for (size_t i = literals.size(); i-- > 0;) {
    const std::string place{static_cast<char>(i >> 8 & 0xFF), static_cast<char>(i & 0xFF)};
    state.to_apply.push_back({literals[i], place});
  }
  return state;
}

std::vector<Record> Expander::records(const Literals& literals) {
  expand(start(literals));
  if (too_many_) throw BudgetError("the schema combines too many alternatives");
  return std::move(found_);
}

std::optional<std::vector<Record>> Expander::rough_records(const Literals& literals) {
  rough_ = true;
  expand(start(literals));
  if (too_many_) return std::nullopt;
  return std::move(found_);
}

// Depth first: first all that holds anyway, then each way to make an open choice, then what is
// negated, since most of it holds already once everything else is known.
void Expander::expand(State state) {
  too_many_ |= depth_ > kMaxChoices;
  while (!too_many_) {
    compilation_.step();
    if (!apply_all(state)) return;
    if (state.record.has_values) break;
    if (!state.choices.empty()) {
      if (!settle(state)) return;
      const Choice choice = take_choice(state);
      if (choice.empty()) return;
      for (size_t i = 1; i < choice.size(); ++i) {
        State next = state;
        if (!apply_demand(next, choice[i])) continue;
        ++depth_;
        expand(std::move(next));
        --depth_;
      }
      if (!apply_demand(state, choice[0])) return;
    } else if (rough_) {
      break;
    } else if (!state.negated.empty()) {
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
    const std::span own = std::span(record.seen).subspan(record.num_assumed);
    std::erase_if(record.values, [&](const io::JsonValue* value) {
      return !compilation_.validator.may_satisfy(own, *value) ||
             (record.num_assumed > 0 && !fits(record, *value));
    });
  }
  std::stable_sort(record.sources.begin(), record.sources.end(),
                   [](const Source& a, const Source& b) { return a.place < b.place; });
  if (found_.size() >= (rough_ ? kMaxRoughRecords : kMaxRecords)) {
    too_many_ = true;
  } else {
    found_.push_back(std::move(record));
  }
}

bool Expander::apply_next_negated(State& state) {
  const Literal literal = state.negated.front();
  state.negated.erase(state.negated.begin());
  if (has_another_value(state.record, literal.node) || excludes(state, literal)) return true;
  auto choice = negation(literal);
  if (!choice) return true;  // reported
  if (choice->empty()) return false;
  add_choice(state, std::move(*choice));
  return true;
}

/// What stands behind references alone.
const SchemaNode& Expander::referred(NodeId id) const {
  for (i64 steps = 0; steps < kMaxReferences; ++steps) {
    const SchemaNode& node = compilation_.schemas[id];
    if (!node.reference) return node;
    id = *node.reference;
  }
  return compilation_.schemas[id];
}

/// Do the record and that schema require a property that can have no value under both? A look at
/// the common way to tell alternatives apart, before excludes() makes the record of both.
bool Expander::has_another_value(const Record& record, NodeId other) const {
  if (type_ != kObjectType) return false;
  const SchemaNode& node = referred(other);
  const auto differs = [&](const SchemaNode& a, const SchemaNode& b) {
    return a.has_values && b.has_values &&
           std::none_of(a.values.begin(), a.values.end(),
                        [&](const io::JsonValue* value) { return is_among(*value, b.values); });
  };
  return std::any_of(node.required.begin(), node.required.end(), [&](const std::string& name) {
    const auto theirs = node.property(name);
    if (!theirs || !is_required(record, name)) return false;
    return std::any_of(record.sources.begin(), record.sources.end(), [&](const Source& source) {
      const auto ours = compilation_.schemas[source.schema].property(name);
      return ours && differs(referred(*ours), referred(*theirs));
    });
  });
}

/// Does nothing satisfy both the record and what the literal negates?
bool Expander::excludes(const State& state, const Literal& negated) {
  Expander rough(compilation_, emptiness_, type_);
  rough.rough_ = true;
  State both{
      .record = state.record, .to_apply = {{{.node = negated.node}}}, .choices = {}, .negated = {}};
  // What asks for the literal, such as oneOf, stands among them: it must not be the reason why.
  std::erase(both.record.seen, negated);
  both.record.num_assumed = both.record.seen.size();
  rough.expand(std::move(both));
  if (rough.too_many_) return false;
  return std::all_of(rough.found_.begin(), rough.found_.end(),
                     [&](const Record& record) { return emptiness_.is_void(record, type_); });
}

/// May the value, and its members and items, be what the record says of them?
bool Expander::fits(const Record& record, const io::JsonValue& value) {
  const auto size = value.is_object() ? value.as_object().size() : value.as_array().size();
  if (size < record.min_size || size > record.max_size) return false;
  if (value.is_array()) {
    for (u32 i = 0; i < size; ++i) {
      const Literals literals = item_literals(compilation_, record, i);
      if (!compilation_.validator.may_satisfy(literals, value.as_array()[i])) return false;
    }
    return true;
  }
  const auto has = [&](const std::string& name) { return value.find(name) != nullptr; };
  if (!std::all_of(record.required.begin(), record.required.end(), has)) return false;
  for (const auto& [name, member] : value.as_object()) {
    const auto literals = member_literals(compilation_, record, name);
    if (!literals || !compilation_.validator.may_satisfy(*literals, member)) return false;
  }
  return true;
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

/// Can there be a member without a name of its own?
bool Expander::may_be_unnamed(const Record& record) const {
  return type_ != kObjectType ||
         std::none_of(record.sources.begin(), record.sources.end(), [&](const Source& source) {
           const SchemaNode& node = compilation_.schemas[source.schema];
           return node.additional_properties && node.pattern_properties.empty() &&
                  compilation_.schemas[*node.additional_properties].boolean == false;
         });
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
      const bool says_nothing = existence.where == Existence::Where::kName ||
                                compilation_.schemas[existence.value.node].boolean.has_value();
      if (!says_nothing) demand.members = {{name, existence.value}};
      choice.push_back(std::move(demand));
    }
  }
  if (may_be_unnamed(state.record)) choice.push_back({.unnamed = {existence}});
  state.record.existences.pop_back();
  add_choice(state, std::move(choice));
}

}  // namespace fathom::grammar::schema
