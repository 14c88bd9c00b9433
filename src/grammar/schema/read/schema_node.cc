#include "grammar/schema/read/schema_node.h"

#include <algorithm>
#include <array>

namespace fathom::grammar::schema {

Types type_of(const io::JsonValue& value) {
  switch (value.kind()) {
    case io::JsonKind::kNull:
      return kNullType;
    case io::JsonKind::kBool:
      return kBooleanType;
    case io::JsonKind::kInteger:
    case io::JsonKind::kNumber:
      return kNumberType;
    case io::JsonKind::kString:
      return kStringType;
    case io::JsonKind::kArray:
      return kArrayType;
    case io::JsonKind::kObject:
      return kObjectType;
  }
  return kNoType;
}

std::optional<NodeId> SchemaNode::property(std::string_view name) const {
  const auto at = std::lower_bound(
      properties_by_name.begin(), properties_by_name.end(), name,
      [&](u32 index, std::string_view wanted) { return properties[index].name < wanted; });
  if (at == properties_by_name.end() || properties[*at].name != name) return std::nullopt;
  return properties[*at].schema;
}

bool SchemaNode::speaks_of_members() const {
  return !properties.empty() || !pattern_properties.empty() || additional_properties.has_value();
}

bool SchemaNode::speaks_of_items() const { return !prefix_items.empty() || items.has_value(); }

bool SchemaNode::allows_all(Types type) const {
  if (boolean) return *boolean;
  if ((types & type) == 0 || has_values || reference || !all_of.empty() || !any_of.empty() ||
      !one_of.empty() || negation || condition || !unsupported.empty()) {
    return false;
  }
  switch (type) {
    case kNumberType:
      return !number.has_value();
    case kStringType:
      return min_length == 0 && max_length == kUnbounded && !pattern && !format;
    case kArrayType:
      return !speaks_of_items() && min_items == 0 && max_items == kUnbounded && !contains &&
             !unique_items;
    case kObjectType:
      return !speaks_of_members() && !property_names && required.empty() && min_properties == 0 &&
             max_properties == kUnbounded && dependent_required.empty() &&
             dependent_schemas.empty();
    default:
      return true;
  }
}

bool allows_everything(const SchemaNode& node) {
  constexpr std::array kEach{kNullType,   kBooleanType, kNumberType,
                             kStringType, kArrayType,   kObjectType};
  return std::all_of(kEach.begin(), kEach.end(), [&](Types type) { return node.allows_all(type); });
}

std::string pointer_to(std::string_view schema_pointer, std::string_view name) {
  std::string pointer(schema_pointer);
  pointer += '/';
  for (const char c : name) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  return pointer;
}

std::string pointer_to(std::string_view pointer, size_t index) {
  return std::string(pointer) + '/' + std::to_string(index);
}

}  // namespace fathom::grammar::schema
