#include "grammar/schema/validator.h"

#include "grammar/schema/read/json_values.h"

namespace fathom::grammar::schema {

using io::JsonValue;

namespace {

/// Schemas that refer to themselves on the way to themselves end here.
constexpr i64 kMaxDepth = 400;

Verdict opposite(Verdict verdict) {
  if (verdict == Verdict::kUnknown) return verdict;
  return verdict == Verdict::kValid ? Verdict::kInvalid : Verdict::kValid;
}

}  // namespace

/// What all of several conditions come to.
struct Validator::Tally {
  Verdict verdict = Verdict::kValid;

  void add(Verdict next) {
    if (next == Verdict::kInvalid || verdict == Verdict::kInvalid) {
      verdict = Verdict::kInvalid;
    } else if (next == Verdict::kUnknown) {
      verdict = next;
    }
  }
  void add(bool holds) { add(holds ? Verdict::kValid : Verdict::kInvalid); }
};

bool Validator::may_satisfy(std::span<const Literal> literals, const JsonValue& value) {
  for (const Literal& literal : literals) {
    const Verdict verdict = check(literal.node, value);
    if ((literal.negated ? opposite(verdict) : verdict) == Verdict::kInvalid) return false;
  }
  return true;
}

Verdict Validator::check(NodeId id, const JsonValue& value) {
  const SchemaNode& node = schemas_[id];
  if (node.boolean) return *node.boolean ? Verdict::kValid : Verdict::kInvalid;
  if (depth_ > kMaxDepth) return Verdict::kUnknown;
  if ((node.types & type_of(value)) == 0) return Verdict::kInvalid;
  if (node.has_values && !is_among(value, node.values)) return Verdict::kInvalid;
  ++depth_;
  Tally tally;
  if (!node.unsupported.empty()) tally.add(Verdict::kUnknown);
  if (value.is_number() || value.is_string()) tally.add(scalars_.own_holds(node, value));
  if (value.is_object()) check_members(node, value, tally);
  if (value.is_array()) check_items(node, value, tally);
  if (tally.verdict != Verdict::kInvalid) check_combinations(node, value, tally);
  --depth_;
  return tally.verdict;
}

void Validator::check_members(const SchemaNode& node, const JsonValue& value, Tally& tally) {
  const io::JsonObject& object = value.as_object();
  tally.add(object.size() >= node.min_properties && object.size() <= node.max_properties);
  for (const std::string& name : node.required) tally.add(object.find(name) != nullptr);
  for (const DependentRequired& dependent : node.dependent_required) {
    if (object.find(dependent.name) == nullptr) continue;
    for (const std::string& name : dependent.required) tally.add(object.find(name) != nullptr);
  }
  for (const NamedSchema& dependent : node.dependent_schemas) {
    if (object.find(dependent.name) != nullptr) tally.add(check(dependent.schema, value));
  }
  for (const io::JsonMember& member : object) check_member(node, member, tally);
}

void Validator::check_member(const SchemaNode& node, const io::JsonMember& member, Tally& tally) {
  const auto& [name, value] = member;
  bool additional = true;
  if (const auto property = node.property(name)) {
    additional = false;
    tally.add(check(*property, value));
  }
  for (const PatternSchema& pattern : node.pattern_properties) {
    if (!regexes_.matches(pattern.keys, string_content(name))) continue;
    additional = false;
    tally.add(check(pattern.schema, value));
  }
  if (additional && node.additional_properties) {
    tally.add(check(*node.additional_properties, value));
  }
  if (node.property_names) tally.add(check(*node.property_names, JsonValue(name)));
}

void Validator::check_items(const SchemaNode& node, const JsonValue& value, Tally& tally) {
  const io::JsonArray& items = value.as_array();
  tally.add(items.size() >= node.min_items && items.size() <= node.max_items);
  size_t contained = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i < node.prefix_items.size()) {
      tally.add(check(node.prefix_items[i], items[i]));
    } else if (node.items) {
      tally.add(check(*node.items, items[i]));
    }
    if (node.contains && check(*node.contains, items[i]) != Verdict::kInvalid) ++contained;
    for (size_t j = 0; node.unique_items && j < i; ++j) tally.add(!equal(items[i], items[j]));
  }
  if (node.contains) {
    tally.add(contained >= node.min_contains && contained <= node.max_contains);
  }
}

void Validator::check_combinations(const SchemaNode& node, const JsonValue& value, Tally& tally) {
  if (node.reference) tally.add(check(*node.reference, value));
  for (const NodeId part : node.all_of) tally.add(check(part, value));
  const auto count = [&](const std::vector<NodeId>& parts, size_t& valid, size_t& unknown) {
    for (const NodeId part : parts) {
      const Verdict verdict = check(part, value);
      valid += verdict == Verdict::kValid ? 1 : 0;
      unknown += verdict == Verdict::kUnknown ? 1 : 0;
    }
  };
  if (!node.any_of.empty()) {
    size_t valid = 0, unknown = 0;
    count(node.any_of, valid, unknown);
    tally.add(valid > 0 ? Verdict::kValid : unknown > 0 ? Verdict::kUnknown : Verdict::kInvalid);
  }
  if (!node.one_of.empty()) {
    size_t valid = 0, unknown = 0;
    count(node.one_of, valid, unknown);
    tally.add(valid > 1 || valid + unknown == 0 ? Verdict::kInvalid
              : unknown > 0                     ? Verdict::kUnknown
                                                : Verdict::kValid);
  }
  if (node.negation) tally.add(opposite(check(*node.negation, value)));
  if (node.condition) {
    const Verdict condition = check(*node.condition, value);
    const auto& branch = condition == Verdict::kValid ? node.consequent : node.otherwise;
    if (condition == Verdict::kUnknown) tally.add(condition);
    if (condition != Verdict::kUnknown && branch) tally.add(check(*branch, value));
  }
}

}  // namespace fathom::grammar::schema
