#include "serve/api/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace fathom::serve {
namespace {

using io::JsonValue;

constexpr std::string_view kWhere = "body";

bool asks_for_nothing(const JsonValue& value) {
  return value.is_null() || (value.is_bool() && !value.as_bool()) ||
         (value.is_string() && value.as_string().empty()) ||
         (value.is_array() && value.as_array().empty()) ||
         (value.is_object() && value.as_object().empty());
}

const FieldRule* find_rule(std::span<const std::span<const FieldRule>> rules,
                           std::string_view name) {
  for (const std::span<const FieldRule> list : rules) {
    const auto at = std::ranges::find_if(list, [&](const FieldRule& r) { return r.name == name; });
    if (at != list.end()) return &*at;
  }
  return nullptr;
}

/// The member whose number is too large for JSON's reader: its range is what a client got wrong.
std::string overflowing_key(std::string_view message) {
  constexpr std::string_view kMark = "\": number overflow";
  const size_t end = message.find(kMark);
  if (end == std::string_view::npos) return {};
  const size_t begin = message.rfind('"', end - 1);
  return begin == std::string_view::npos ? ""
                                         : std::string(message.substr(begin + 1, end - begin - 1));
}

}  // namespace

std::optional<i64> as_whole(const JsonValue& value) {
  if (value.is_integer()) return value.as_integer();
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (!value.is_number()) return std::nullopt;
  const double number = value.as_number();
  if (std::floor(number) != number || std::abs(number) > kExact) return std::nullopt;
  return static_cast<i64>(number);
}

const JsonValue* FieldReader::find(std::string_view name) const {
  const JsonValue* const value = object_.find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

void FieldReader::fail_type(std::string_view name, std::string_view expected,
                            const JsonValue& found) {
  fail(bad_request("invalid_type", path(name),
                   fmt::format("{}: expected {}, found {}", path(name), expected,
                               printable(io::describe(found)))));
}

void FieldReader::fail_range(std::string_view name, std::string_view expected,
                             const JsonValue& found) {
  fail(bad_request("value_out_of_range", path(name),
                   fmt::format("{}: expected {}, found {}", path(name), expected,
                               printable(io::describe(found)))));
}

std::optional<bool> FieldReader::boolean(std::string_view name) {
  const JsonValue* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  fail_type(name, "true or false", *value);
  return std::nullopt;
}

std::optional<i64> FieldReader::integer(std::string_view name, i64 least, i64 most) {
  const JsonValue* const value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::string expected = most == INT64_MAX
                                   ? fmt::format("an integer >= {}", least)
                                   : fmt::format("an integer from {} to {}", least, most);
  if (!value->is_number()) {
    fail_type(name, expected, *value);
    return std::nullopt;
  }
  const std::optional<i64> whole = as_whole(*value);
  if (whole && *whole >= least && *whole <= most) return whole;
  fail_range(name, expected, *value);
  return std::nullopt;
}

std::optional<double> FieldReader::number(std::string_view name, double least, double most) {
  const JsonValue* const value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::string expected = fmt::format("a number from {} to {}", least, most);
  if (!value->is_number()) {
    fail_type(name, expected, *value);
    return std::nullopt;
  }
  const double found = value->as_number();
  if (found >= least && found <= most) return found;
  fail_range(name, expected, *value);
  return std::nullopt;
}

std::optional<std::string> FieldReader::text(std::string_view name, size_t max_bytes) {
  const JsonValue* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    fail_type(name, "a string", *value);
    return std::nullopt;
  }
  if (value->as_string().size() <= max_bytes) return value->as_string();
  fail(bad_request("value_out_of_range", path(name),
                   fmt::format("{}: expected at most {} bytes, found {}", path(name), max_bytes,
                               value->as_string().size())));
  return std::nullopt;
}

const io::JsonArray* FieldReader::array(std::string_view name, size_t max_items) {
  const JsonValue* const value = find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array()) {
    fail_type(name, "an array", *value);
    return nullptr;
  }
  if (value->as_array().size() <= max_items) return &value->as_array();
  fail(bad_request("value_out_of_range", path(name),
                   fmt::format("{}: expected at most {} items, found {}", path(name), max_items,
                               value->as_array().size())));
  return nullptr;
}

const io::JsonObject* FieldReader::object(std::string_view name) {
  const JsonValue* const value = find(name);
  if (value == nullptr) return nullptr;
  if (value->is_object()) return &value->as_object();
  fail_type(name, "an object", *value);
  return nullptr;
}

std::vector<std::string> FieldReader::check(std::span<const std::span<const FieldRule>> rules) {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : object_) {
    if (value.is_null()) continue;
    const FieldRule* const rule = find_rule(rules, name);
    if (rule == nullptr) {
      unknown.push_back(name);
      continue;
    }
    if (rule->kind != FieldClass::kRefused || asks_for_nothing(value)) continue;
    if (rule->is_benign != nullptr && rule->is_benign(value)) continue;
    fail(bad_request("unsupported_parameter", path(name),
                     fmt::format("{}: not supported by this server, found {}", path(name),
                                 printable(io::describe(value)))));
  }
  return unknown;
}

ApiResult<JsonValue> read_body(std::string_view body) {
  const io::JsonLimits limits{
      .max_depth = kMaxBodyDepth, .last_key_wins = true, .replace_lone_surrogates = true};
  auto value = io::parse_json(body, std::string(kWhere), limits);
  if (!value) {
    const std::string& message = value.error().message();
    std::string key = overflowing_key(message);
    const char* const code = key.empty() ? "invalid_json" : "value_out_of_range";
    return tl::unexpected(bad_request(code, std::move(key), printable(message)));
  }
  if (!value->is_object()) {
    return tl::unexpected(bad_request(
        "invalid_json", "", "body: expected a JSON object, found " + io::describe(*value)));
  }
  return std::move(*value);
}

}  // namespace fathom::serve
