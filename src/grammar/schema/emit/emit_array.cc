// Arrays: the items with places of their own, then all others.
#include <algorithm>

#include "grammar/schema/emit/emit.h"
#include "grammar/schema/read/json_values.h"

namespace fathom::grammar::schema {

Expr Emitter::array(const Record& record) {
  if (record.unique_items && record.max_size > 1) {
    if (const auto expr = unique_array(record)) return *expr;
    compilation_.findings.weaken(compilation_.schemas[*record.unique_items].pointer, "uniqueItems",
                                 "only arrays of a few values from an enum can be kept unique");
  }
  const u32 prefix = num_prefix_items(compilation_, record);
  const Literals others = item_literals(compilation_, record, prefix);
  const bool none = is_refused_outright(compilation_, others);
  const auto element = [&](std::span<const Existence> demands) {
    Literals literals = others;
    for (const Existence& demand : demands) add_literal(literals, demand.value);
    return none ? rules_.nothing() : value(literals);
  };
  const std::vector<Existence> demands = this->demands(record);
  ListRest rest(rules_, {.comma = syntax_.comma(),
                         .plain = element({}),
                         .special = special(demands, element),
                         .min = record.min_size,
                         .max = record.max_size,
                         .close = syntax_.close(']'),
                         .close_empty = syntax_.close_empty(']')});
  return rules_.sequence(syntax_.open('['), items(record, prefix, rest, demands.empty()));
}

/// From the last item that has a place of its own to the first: the array may end before each of
/// them, if it is long enough then and `may_be_short`.
Expr Emitter::items(const Record& record, u32 prefix, ListRest& rest, bool may_be_short) {
  Expr expr = rest.after_exactly(prefix);
  for (u32 i = prefix; i-- > 0;) {
    const Literals literals = item_literals(compilation_, record, i);
    const bool possible = i < record.max_size && !is_refused_outright(compilation_, literals);
    const Expr more =
        possible ? rules_.sequence(rest.element(i, value(literals)), expr) : rules_.nothing();
    const bool may_end = i >= record.min_size && may_be_short;
    const Expr end = i == 0 ? syntax_.close_empty(']') : syntax_.close(']');
    expr = may_end ? rules_.choice(end, more) : more;
  }
  return expr;
}

/// Arrays of different values out of a few; none if that is not what the record says.
std::optional<Expr> Emitter::unique_array(const Record& record) {
  constexpr size_t kMaxValues = 8;
  if (num_prefix_items(compilation_, record) > 0 || !record.unnamed.empty()) return std::nullopt;
  const Literals literals = item_literals(compilation_, record, 0);
  std::vector<const io::JsonValue*> values;
  const auto lists = [&](const Literal& literal) {
    return !literal.negated && compilation_.schemas[literal.node].has_values;
  };
  const auto listed = std::find_if(literals.begin(), literals.end(), lists);
  if (listed == literals.end()) return std::nullopt;
  for (const io::JsonValue* value : compilation_.schemas[listed->node].values) {
    if (is_among(*value, values)) continue;
    if (compilation_.validator.may_satisfy(literals, *value)) values.push_back(value);
  }
  if (values.size() > kMaxValues) return std::nullopt;
  // By the set of values said already; supersets have greater numbers.
  std::vector<Expr> after(size_t{1} << values.size());
  for (size_t said = after.size(); said-- > 0;) {
    const u32 count = static_cast<u32>(std::popcount(said));
    std::vector<Expr> choices;
    if (count >= record.min_size) {
      choices.push_back(count == 0 ? syntax_.close_empty(']') : syntax_.close(']'));
    }
    for (size_t i = 0; i < values.size() && count < record.max_size; ++i) {
      if ((said >> i & 1) != 0) continue;
      const Expr item = exact_value(*values[i]);
      const Expr element = count == 0 ? item : rules_.sequence(syntax_.comma(), item);
      choices.push_back(rules_.sequence(element, after[said | size_t{1} << i]));
    }
    after[said] = rules_.choice(std::move(choices));
  }
  return rules_.sequence(syntax_.open('['), after[0]);
}

}  // namespace fathom::grammar::schema
