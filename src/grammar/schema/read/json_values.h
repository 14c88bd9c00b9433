#pragma once
#include <string>
#include <vector>

#include "io/json.h"

namespace fathom::grammar::schema {

/// Equal as JSON Schema has it: numbers by value, objects in any order.
bool equal(const io::JsonValue& a, const io::JsonValue& b);
bool is_among(const io::JsonValue& value, const std::vector<const io::JsonValue*>& values);

/// `text` between the quotes of a JSON string, with the shortest escapes.
std::string string_content(const std::string& text);

}  // namespace fathom::grammar::schema
