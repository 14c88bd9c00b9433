#include "grammar/schema/emptiness.h"

#include <algorithm>

namespace fathom::grammar::schema {

using io::JsonValue;

bool Emptiness::is_void(const Literals& literals) {
  constexpr i64 kMaxDepth = 6;
  if (literals.empty() || depth_ >= kMaxDepth) return false;
  // While it is being looked into nothing is known of it.
  const auto [known, is_new] = known_.emplace(literals, false);
  if (!is_new) return known->second;
  ++depth_;
  const bool is_void = compute(literals);
  --depth_;
  known_[literals] = is_void;
  return is_void;
}

bool Emptiness::compute(const Literals& literals) {
  compilation_.step();
  u8 types = kAllTypes;
  for (const Literal& literal : literals) {
    if (!literal.negated) types &= compilation_.possible_types(literal.node);
  }
  const auto may_be = [&](const JsonValue& value) {
    return compilation_.validator.may_satisfy(literals, value);
  };
  if ((types & kNullType) != 0 && may_be(JsonValue())) return false;
  if ((types & kBooleanType) != 0 && (may_be(JsonValue(true)) || may_be(JsonValue(false)))) {
    return false;
  }
  for (const Types type : {kNumberType, kStringType}) {
    if ((types & type) == 0) continue;
    if (!compilation_.regexes.matches_nothing(compilation_.scalars.texts(literals, type))) {
      return false;
    }
  }
  for (const Types type : {kArrayType, kObjectType}) {
    if ((types & type) == 0) continue;
    const auto records = Expander(compilation_, *this, type).rough_records(literals);
    if (!records) return false;
    for (const Record& record : *records) {
      if (!is_void(record, type)) return false;
    }
  }
  return true;
}

bool Emptiness::is_void(const Record& record, Types type) {
  if (record.has_values) return record.values.empty();
  if (record.min_size > record.max_size) return true;
  return type == kObjectType ? object_is_void(record) : array_is_void(record);
}

bool Emptiness::object_is_void(const Record& record) {
  std::vector<std::string> names = record.required;
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.size() > record.max_size) return true;
  std::vector<Literals> members;
  for (const std::string& name : names) {
    const auto literals = member_literals(compilation_, record, name);
    if (!literals) return true;
    members.push_back(std::move(*literals));
  }
  // What tells alternatives apart is most often a property with one value in each.
  std::stable_partition(members.begin(), members.end(), [&](const Literals& literals) {
    return std::any_of(literals.begin(), literals.end(), [&](const Literal& literal) {
      return compilation_.schemas[literal.node].has_values;
    });
  });
  return std::any_of(members.begin(), members.end(),
                     [&](const Literals& literals) { return is_void(literals); });
}

bool Emptiness::array_is_void(const Record& record) {
  const u32 prefix = num_prefix_items(compilation_, record);
  for (u32 i = 0; i < record.min_size && i <= prefix; ++i) {
    if (is_void(item_literals(compilation_, record, i))) return true;
  }
  return false;
}

}  // namespace fathom::grammar::schema
