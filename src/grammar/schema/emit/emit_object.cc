// Objects: the named members in their order, then all others.
#include <algorithm>

#include "grammar/regex/characters.h"
#include "grammar/schema/emit/emit.h"
#include "grammar/schema/read/json_values.h"

namespace fathom::grammar::schema {

struct Emitter::Member {
  Expr expr;
  bool required;
};

Expr Emitter::object(const Record& record) {
  std::vector<Member> named;
  const std::vector<std::string> names = names_of(compilation_, record);
  u32 num_required = 0;
  for (const std::string& name : names) {
    const bool required = is_required(record, name);
    const auto literals = member_literals(compilation_, record, name);
    if (!literals && required) return rules_.nothing();
    num_required += required ? 1 : 0;
    if (!literals) continue;
    named.push_back(
        {syntax_.member(regexes_.literal(string_content(name)), value(*literals)), required});
  }
  const std::vector<KeyGroup> groups = key_groups(record, names);
  const std::vector<Existence> demands = this->demands(record);
  ListRest::Parts parts{.comma = syntax_.comma(),
                        .plain = other_member(record, groups, {}),
                        .special = special(demands,
                                           [&](std::span<const Existence> some) {
                                             return other_member(record, groups, some);
                                           }),
                        .min = record.min_size <= num_required ? 0 : record.min_size,
                        .max = record.max_size,
                        .close = syntax_.close('}'),
                        .close_empty = syntax_.close_empty('}')};
  if (parts.plain == rules_.nothing() && parts.max >= named.size()) parts.max = kUnbounded;
  ListRest rest(rules_, parts);
  return rules_.sequence(syntax_.open('{'), members(named, rest, parts.max));
}

/// From the last named member to the first; what follows depends on how many were said before.
Expr Emitter::members(const std::vector<Member>& named, ListRest& rest, u32 max) {
  const u32 cap = rest.cap();
  std::vector<Expr> after;
  for (u32 count = 0; count <= cap; ++count) after.push_back(rest.after(count));
  // Where no more than whether there was one counts: the ways to begin.
  std::vector<Expr> first;
  for (size_t i = named.size(); i-- > 0;) {
    const auto [member, required] = named[i];
    std::vector<Expr> before = after;
    for (u32 count = 0; count <= cap; ++count) {
      Expr& expr = before[count];
      const Expr element = rest.element(count, member);
      const Expr said =
          count >= max ? rules_.nothing() : rules_.sequence(element, after[rest.next(count)]);
      if (required) {
        expr = said;
      } else if (count == cap && max == kUnbounded) {
        expr = rules_.sequence(rules_.optional(element), after[count]);
      } else if (count == 0) {
        first.push_back(said);
        continue;
      } else {
        expr = rules_.choice(said, after[count]);
      }
      if (count == 0) first = {said};
    }
    if (required) before[0] = rules_.nothing();
    after = std::move(before);
  }
  first.push_back(after[0]);
  return rules_.choice(std::move(first));
}

/// All keys but those of `names`, parted by the patterns that are found in them.
std::vector<Emitter::KeyGroup> Emitter::key_groups(const Record& record,
                                                   const std::vector<std::string>& names) {
  Regex keys = compilation_.scalars.texts(record.names, kStringType);
  std::vector<Regex> named;
  for (const std::string& name : names) named.push_back(compilation_.scalars.spelled(name));
  if (!named.empty()) keys = regexes_.subtract(keys, regexes_.alternate(std::move(named)));
  std::vector<KeyGroup> groups{{keys, {}}};
  for (const auto& [source, place] : record.sources) {
    const auto& patterns = compilation_.schemas[source].pattern_properties;
    for (u32 i = 0; i < patterns.size(); ++i) split(groups, source, i);
  }
  return groups;
}

void Emitter::split(std::vector<KeyGroup>& groups, NodeId source, u32 pattern) {
  constexpr size_t kMaxGroups = 256;
  const Regex found = compilation_.schemas[source].pattern_properties[pattern].keys;
  std::vector<KeyGroup> parts;
  for (const KeyGroup& group : groups) {
    compilation_.step();
    KeyGroup with = group, without = group;
    with.keys = regexes_.intersect(group.keys, found);
    with.patterns.emplace_back(source, pattern);
    without.keys = regexes_.subtract(group.keys, found);
    if (!regexes_.matches_nothing(with.keys)) parts.push_back(std::move(with));
    if (!regexes_.matches_nothing(without.keys)) parts.push_back(std::move(without));
  }
  if (parts.size() > kMaxGroups) throw BudgetError("the schema combines too many key patterns");
  groups = std::move(parts);
}

std::optional<Literals> Emitter::group_literals(const Record& record, const KeyGroup& group) {
  if (group.patterns.empty() && is_closed(compilation_, record)) return std::nullopt;
  Literals literals;
  for (const auto& [id, place] : record.sources) {
    const SchemaNode& source = compilation_.schemas[id];
    bool additional = true;
    for (const auto& [owner, pattern] : group.patterns) {
      if (owner != id) continue;
      additional = false;
      add_literal(literals, {.node = source.pattern_properties[pattern].schema});
    }
    if (additional && source.additional_properties) {
      add_literal(literals, {.node = *source.additional_properties});
    }
  }
  if (is_refused_outright(compilation_, literals)) return std::nullopt;
  return literals;
}

Regex Emitter::keys_of(const Existence& demand) {
  const SchemaNode& source = compilation_.schemas[demand.source];
  if (demand.where == Existence::Where::kPattern) {
    return source.pattern_properties[demand.index].keys;
  }
  if (demand.where == Existence::Where::kName) {
    return compilation_.scalars.texts(std::span(&demand.value, 1), kStringType);
  }
  std::vector<Regex> others;
  for (const NamedSchema& property : source.properties) {
    others.push_back(compilation_.scalars.spelled(property.name));
  }
  for (const PatternSchema& pattern : source.pattern_properties) others.push_back(pattern.keys);
  return regexes_.complement(regexes_.alternate(std::move(others)));
}

/// A member whose key has no name, and that meets all of `demands`.
Expr Emitter::other_member(const Record& record, const std::vector<KeyGroup>& groups,
                           std::span<const Existence> demands) {
  std::vector<Expr> choices;
  for (const KeyGroup& group : groups) {
    auto literals = group_literals(record, group);
    if (!literals) continue;
    Regex keys = group.keys;
    for (const Existence& demand : demands) {
      keys = regexes_.intersect(keys, keys_of(demand));
      if (demand.where != Existence::Where::kName) add_literal(*literals, demand.value);
    }
    choices.push_back(syntax_.member(keys, value(*literals)));
  }
  return rules_.choice(std::move(choices));
}

}  // namespace fathom::grammar::schema
