// How each keyword of a schema is read.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "grammar/regex/characters.h"
#include "grammar/regex/parse_regex.h"
#include "grammar/schema/formats/format.h"
#include "grammar/schema/read/json_values.h"
#include "grammar/schema/read/read_schema.h"

namespace fathom::grammar::schema {
namespace {

using io::JsonValue;

/// The greatest number in minLength, maxItems and so on.
constexpr u32 kMaxCount = 10'000;
/// In maxLength, which people set to what a database column holds. It costs nothing: a text has one
/// state for each character that it really has.
constexpr u32 kMaxMaxLength = 100'000'000;

std::string found(std::string_view expected, const JsonValue& value) {
  return fmt::format("expected {}, found {}", expected, io::describe(value));
}

}  // namespace

void SchemaReader::read_type(const Keyword& keyword) {
  constexpr std::array<std::pair<std::string_view, Types>, 7> kTypes{{{"null", kNullType},
                                                                      {"boolean", kBooleanType},
                                                                      {"number", kNumberType},
                                                                      {"integer", kNumberType},
                                                                      {"string", kStringType},
                                                                      {"array", kArrayType},
                                                                      {"object", kObjectType}}};
  const std::span<const JsonValue> all =
      keyword.value.is_array() ? std::span(keyword.value.as_array()) : std::span(&keyword.value, 1);
  u8 types = kNoType;
  bool integer = false, number = false;
  for (const JsonValue& type : all) {
    const auto known = std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& entry) {
      return type.is_string() && entry.first == type.as_string();
    });
    if (known == kTypes.end()) {
      throw_invalid(keyword.pointer(), found("null, boolean, number, integer, string, array or "
                                             "object, or an array of these",
                                             type));
    }
    types |= known->second;
    integer |= known->first == "integer";
    number |= known->first == "number";
  }
  keyword.node.types = types;
  if (integer && !number) range_for(keyword.node).integer = true;
}

void SchemaReader::read_enum(const Keyword& keyword) {
  if (!keyword.value.is_array()) throw_invalid(keyword.pointer(), found("an array", keyword.value));
  std::vector<const JsonValue*> values;
  for (const JsonValue& value : keyword.value.as_array()) values.push_back(&value);
  SchemaNode& node = keyword.node;
  if (node.has_values) {  // a const stands before it
    std::erase_if(node.values, [&](const JsonValue* value) { return !is_among(*value, values); });
  } else {
    node.values = std::move(values);
  }
  node.has_values = true;
}

void SchemaReader::read_const(const Keyword& keyword) {
  SchemaNode& node = keyword.node;
  const bool possible = !node.has_values || is_among(keyword.value, node.values);
  node.values.clear();
  if (possible) node.values.push_back(&keyword.value);
  node.has_values = true;
}

NumberRange& SchemaReader::range_for(SchemaNode& node) {
  if (!node.number) node.number.emplace();
  return *node.number;
}

void SchemaReader::read_bound(const Keyword& keyword) {
  const bool exclusive = keyword.name.starts_with("exclusive");
  const bool is_min = keyword.name.ends_with("inimum");
  NumberRange& range = range_for(keyword.node);
  if (exclusive && keyword.value.is_bool()) {  // draft 4
    const bool has_bound = keyword.schema.find(is_min ? "minimum" : "maximum") != nullptr;
    (is_min ? range.exclusive_min : range.exclusive_max) |= has_bound && keyword.value.as_bool();
    return;
  }
  if (!keyword.value.is_number())
    throw_invalid(keyword.pointer(), found("a number", keyword.value));
  const Decimal value = Decimal::of(keyword.value).value();
  std::optional<Decimal>& bound = is_min ? range.min : range.max;
  bool& is_exclusive = is_min ? range.exclusive_min : range.exclusive_max;
  const bool tighter = !bound || (is_min ? *bound < value : value < *bound);
  if (tighter) {
    // A draft-4 flag that stands before its bound stays.
    is_exclusive = exclusive || (!bound && is_exclusive);
    bound = value;
  } else if (*bound == value) {
    is_exclusive |= exclusive;
  }
}

void SchemaReader::read_multiple_of(const Keyword& keyword) {
  if (!keyword.value.is_number() || keyword.value.as_number() <= 0) {
    throw_invalid(keyword.pointer(), found("a number above 0", keyword.value));
  }
  range_for(keyword.node).multiple_of = Decimal::of(keyword.value);
}

void SchemaReader::read_length(const Keyword& keyword) {
  constexpr std::array<std::pair<std::string_view, u32 SchemaNode::*>, 8> kMembers{
      {{"minLength", &SchemaNode::min_length},
       {"maxLength", &SchemaNode::max_length},
       {"minItems", &SchemaNode::min_items},
       {"maxItems", &SchemaNode::max_items},
       {"minProperties", &SchemaNode::min_properties},
       {"maxProperties", &SchemaNode::max_properties},
       {"minContains", &SchemaNode::min_contains},
       {"maxContains", &SchemaNode::max_contains}}};
  const JsonValue& value = keyword.value;
  const bool whole = value.is_number() && value.as_number() >= 0 &&
                     std::floor(value.as_number()) == value.as_number();
  if (!whole) throw_invalid(keyword.pointer(), found("an integer that is not negative", value));
  const u32 most = keyword.name == "maxLength" ? kMaxMaxLength : kMaxCount;
  if (value.as_number() > most) {
    throw_unsupported(keyword.pointer(), fmt::format("{} is more than the greatest count, {}",
                                                     io::write_json(value), most));
  }
  for (const auto& [name, member] : kMembers) {
    if (name == keyword.name) keyword.node.*member = static_cast<u32>(value.as_number());
  }
}

Regex SchemaReader::keys_with(const Keyword& keyword, std::string_view pattern) {
  auto parsed = texts_with(regexes_, pattern, options_.strings);
  if (!parsed && parsed.error().code() == ErrorCode::kUnsupported) {
    findings_.weaken(keyword.node.pointer, keyword.name, parsed.error().message());
    keyword.node.unsupported.emplace_back(keyword.name);
    return regexes_.nothing();
  }
  if (!parsed) throw_invalid(keyword.pointer(), parsed.error().message());
  return *parsed;
}

void SchemaReader::read_pattern(const Keyword& keyword) {
  if (!keyword.value.is_string())
    throw_invalid(keyword.pointer(), found("a string", keyword.value));
  const Regex regex = keys_with(keyword, keyword.value.as_string());
  if (keyword.node.unsupported.empty() || keyword.node.unsupported.back() != keyword.name) {
    keyword.node.pattern = regex;
  }
}

void SchemaReader::read_format(const Keyword& keyword) {
  if (!keyword.value.is_string())
    throw_invalid(keyword.pointer(), found("a string", keyword.value));
  const std::string& name = keyword.value.as_string();
  constexpr std::array<std::string_view, 2> kNotRegular{"idn-email", "idn-hostname"};
  if (is_enforced_format(name)) {
    keyword.node.format = name;
  } else if (options_.strict) {
    throw_unsupported(keyword.pointer(), fmt::format("the format \"{}\" is not enforced", name));
  } else if (std::find(kNotRegular.begin(), kNotRegular.end(), name) != kNotRegular.end()) {
    findings_.weaken(keyword.node.pointer, keyword.name,
                     fmt::format("the format \"{}\" is not enforced", name));
    keyword.node.unsupported.emplace_back(keyword.name);
  } else {
    findings_.make_annotation(keyword.pointer());
  }
}

void SchemaReader::read_properties(const Keyword& keyword) {
  if (!keyword.value.is_object())
    throw_invalid(keyword.pointer(), found("an object", keyword.value));
  SchemaNode& node = keyword.node;
  for (const auto& [name, schema] : keyword.value.as_object()) {
    node.properties.push_back({name, node_for(schema, pointer_to(keyword.pointer(), name))});
  }
  node.properties_by_name.resize(node.properties.size());
  std::iota(node.properties_by_name.begin(), node.properties_by_name.end(), u32{0});
  std::sort(node.properties_by_name.begin(), node.properties_by_name.end(),
            [&](u32 a, u32 b) { return node.properties[a].name < node.properties[b].name; });
}

void SchemaReader::read_pattern_properties(const Keyword& keyword) {
  if (!keyword.value.is_object())
    throw_invalid(keyword.pointer(), found("an object", keyword.value));
  for (const auto& [pattern, schema] : keyword.value.as_object()) {
    const NodeId id = node_for(schema, pointer_to(keyword.pointer(), pattern));
    keyword.node.pattern_properties.push_back({keys_with(keyword, pattern), id});
  }
}

std::vector<std::string> SchemaReader::names(const Keyword& keyword, const JsonValue& list) const {
  if (!list.is_array()) throw_invalid(keyword.pointer(), found("an array of strings", list));
  std::vector<std::string> names;
  for (const JsonValue& name : list.as_array()) {
    if (!name.is_string()) throw_invalid(keyword.pointer(), found("an array of strings", name));
    names.push_back(name.as_string());
  }
  return names;
}

void SchemaReader::read_required(const Keyword& keyword) {
  keyword.node.required = names(keyword, keyword.value);
}

void SchemaReader::read_dependencies(const Keyword& keyword) {
  if (!keyword.value.is_object())
    throw_invalid(keyword.pointer(), found("an object", keyword.value));
  for (const auto& [name, value] : keyword.value.as_object()) {
    const bool is_schema =
        keyword.name == "dependentSchemas" || (keyword.name == "dependencies" && !value.is_array());
    if (is_schema) {
      keyword.node.dependent_schemas.push_back(
          {name, node_for(value, pointer_to(keyword.pointer(), name))});
    } else {
      keyword.node.dependent_required.push_back({name, names(keyword, value)});
    }
  }
}

void SchemaReader::read_items(const Keyword& keyword) {
  if (!keyword.value.is_array()) {
    keyword.node.items = node_for(keyword.value, keyword.pointer());
    return;
  }
  size_t index = 0;
  for (const JsonValue& schema : keyword.value.as_array()) {
    keyword.node.prefix_items.push_back(node_for(schema, pointer_to(keyword.pointer(), index++)));
  }
}

// It counts only where `items` is an array.
void SchemaReader::read_additional_items(const Keyword& keyword) {
  const JsonValue* items = keyword.schema.find("items");
  if (items != nullptr && items->is_array()) {
    keyword.node.items = node_for(keyword.value, keyword.pointer());
  } else {
    findings_.make_annotation(keyword.pointer());
  }
}

void SchemaReader::read_unique_items(const Keyword& keyword) {
  if (!keyword.value.is_bool()) throw_invalid(keyword.pointer(), found("a boolean", keyword.value));
  keyword.node.unique_items = keyword.value.as_bool();
}

}  // namespace fathom::grammar::schema
