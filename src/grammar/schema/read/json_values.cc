#include "grammar/schema/read/json_values.h"

#include <algorithm>

namespace fathom::grammar::schema {

using io::JsonKind;
using io::JsonValue;

bool equal(const JsonValue& a, const JsonValue& b) {
  if (a.is_integer() && b.is_integer()) return a.as_integer() == b.as_integer();
  if (a.is_number() && b.is_number()) return a.as_number() == b.as_number();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case JsonKind::kBool:
      return a.as_bool() == b.as_bool();
    case JsonKind::kString:
      return a.as_string() == b.as_string();
    case JsonKind::kArray:
      return std::equal(a.as_array().begin(), a.as_array().end(), b.as_array().begin(),
                        b.as_array().end(), equal);
    case JsonKind::kObject:
      return a.as_object().size() == b.as_object().size() &&
             std::all_of(a.as_object().begin(), a.as_object().end(), [&](const auto& member) {
               const JsonValue* other = b.find(member.first);
               return other != nullptr && equal(member.second, *other);
             });
    default:
      return true;
  }
}

bool is_among(const JsonValue& value, const std::vector<const JsonValue*>& values) {
  return std::any_of(values.begin(), values.end(),
                     [&](const JsonValue* other) { return equal(value, *other); });
}

std::string string_content(const std::string& text) {
  const std::string quoted = io::write_json(JsonValue(text));
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace fathom::grammar::schema
