// Which choice comes next, and which of its alternatives are left.
#include <algorithm>

#include "grammar/schema/emptiness.h"

namespace fathom::grammar::schema {
namespace {

bool is_in(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool all_in(const std::vector<std::string>& names, const std::vector<std::string>& some) {
  return std::all_of(some.begin(), some.end(),
                     [&](const std::string& name) { return is_in(names, name); });
}

bool any_in(const std::vector<std::string>& names, const std::vector<std::string>& some) {
  return std::any_of(some.begin(), some.end(),
                     [&](const std::string& name) { return is_in(names, name); });
}

Literal opposite(Literal literal) {
  literal.negated = !literal.negated;
  return literal;
}

bool is_impossible(const Record& record, const Demand& demand) {
  return any_in(record.forbidden, demand.required) || any_in(record.required, demand.forbidden) ||
         std::max(record.min_size, demand.min_size) > std::min(record.max_size, demand.max_size) ||
         std::any_of(demand.literals.begin(), demand.literals.end(), [&](const Literal& literal) {
           return contains(record.seen, opposite(literal));
         });
}

bool holds(const Record& record, const Demand& demand) {
  const auto is_seen = [&](const Literal& literal) { return contains(record.seen, literal); };
  const auto is_demanded = [&](const MemberDemand& member) {
    return std::any_of(record.members.begin(), record.members.end(), [&](const auto& other) {
      return other.name == member.name && other.value == member.value;
    });
  };
  return demand.items.empty() && demand.every_item.empty() && demand.existences.empty() &&
         demand.unnamed.empty() && record.min_size >= demand.min_size &&
         record.max_size <= demand.max_size && all_in(record.required, demand.required) &&
         all_in(record.forbidden, demand.forbidden) &&
         std::all_of(demand.members.begin(), demand.members.end(), is_demanded) &&
         std::all_of(demand.literals.begin(), demand.literals.end(), is_seen);
}

}  // namespace

/// Drops choices that are made already and takes out the one with the fewest ways left, none of
/// them known to be impossible. Empty if one of them cannot be made at all; a demand of nothing if
/// none is left.
Choice Expander::take_choice(State& state) {
  size_t best = state.choices.size();
  for (size_t i = 0; i < state.choices.size();) {
    Choice& choice = state.choices[i];
    std::erase_if(choice,
                  [&](const Demand& demand) { return is_impossible(state.record, demand); });
    if (choice.empty()) return {};
    if (std::any_of(choice.begin(), choice.end(),
                    [&](const Demand& demand) { return holds(state.record, demand); })) {
      state.choices.erase(state.choices.begin() + static_cast<i64>(i));
      continue;
    }
    if (best >= state.choices.size() || choice.size() < state.choices[best].size()) best = i;
    ++i;
  }
  if (state.choices.empty()) return {Demand{}};
  Choice choice = std::move(state.choices[best]);
  state.choices.erase(state.choices.begin() + static_cast<i64>(best));
  return choice;
}

/// Forbids the members that several schemas speak of and whose value cannot satisfy them all. False
/// if one of them is required: then nothing satisfies the record.
bool Expander::settle(State& state) {
  if (type_ != kObjectType) return true;
  constexpr size_t kMaxNames = 24;
  Record& record = state.record;
  std::vector<std::string> names = record.required;
  const auto add = [&](const std::string& name) {
    if (names.size() < kMaxNames && !is_in(names, name)) names.push_back(name);
  };
  for (const MemberDemand& member : record.members) add(member.name);
  for (size_t i = 1; i < record.sources.size(); ++i) {
    const auto& properties = compilation_.schemas[record.sources[i].schema].properties;
    if (properties.size() > kMaxNames / 2) continue;
    for (const NamedSchema& property : properties) add(property.name);
  }
  for (const std::string& name : names) {
    if (is_in(record.forbidden, name)) continue;
    const auto literals = member_literals(compilation_, record, name);
    if (literals && (literals->size() < 2 || !emptiness_.is_void(*literals))) continue;
    if (is_in(record.required, name)) return false;
    record.forbidden.push_back(name);
  }
  return true;
}

bool Expander::apply_demand(State& state, const Demand& demand) {
  Record& record = state.record;
  for (const std::string& name : demand.required) {
    if (is_in(record.forbidden, name)) return false;
    if (!is_in(record.required, name)) record.required.push_back(name);
  }
  for (const std::string& name : demand.forbidden) {
    if (is_in(record.required, name)) return false;
    if (!is_in(record.forbidden, name)) record.forbidden.push_back(name);
  }
  for (size_t i = demand.literals.size(); i-- > 0;) {
    state.to_apply.push_back({demand.literals[i], demand.place});
  }
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

}  // namespace fathom::grammar::schema
