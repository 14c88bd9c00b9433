#include "grammar/schema/compilation.h"

namespace fathom::grammar::schema {

void Compilation::step() {
  constexpr i64 kMaxSteps = 2'000'000;
  if (++steps_ > kMaxSteps) throw BudgetError("the schema combines too many alternatives");
  rules.deadline().check();
}

u8 Compilation::possible_types(NodeId id) {
  const auto [known, is_new] = possible_types_.emplace(id, kAllTypes);
  if (!is_new) return known->second;
  if (++depth_ > kMaxReferences) throw_too_deep(schemas[id]);
  const u8 types = compute_possible_types(id);
  --depth_;
  possible_types_[id] = types;
  return types;
}

u8 Compilation::compute_possible_types(NodeId id) {
  const SchemaNode& node = schemas[id];
  if (node.boolean) return *node.boolean ? kAllTypes : kNoType;
  u8 types = node.types;
  const auto any = [&](const std::vector<NodeId>& parts) {
    u8 all = kNoType;
    for (const NodeId part : parts) all |= possible_types(part);
    return all;
  };
  if (node.has_values) {
    u8 listed = kNoType;
    for (const io::JsonValue* value : node.values) listed |= type_of(*value);
    types &= listed;
  }
  if (node.reference) types &= possible_types(*node.reference);
  for (const NodeId part : node.all_of) types &= possible_types(part);
  if (!node.any_of.empty()) types &= any(node.any_of);
  if (!node.one_of.empty()) types &= any(node.one_of);
  return types;
}

}  // namespace fathom::grammar::schema
