#include "config/model/quantization_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "config/model/model_config_load.h"
#include "config/model/whole_number.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::describe;
using io::JsonValue;

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

bool is_empty(const JsonValue& value) {
  if (value.is_null()) return true;
  if (value.is_bool()) return !value.as_bool();
  if (value.is_string()) return value.as_string().empty();
  if (value.is_array()) return std::ranges::all_of(value.as_array(), is_empty);
  if (!value.is_object()) return false;
  const io::JsonObject& object = value.as_object();
  return std::all_of(object.begin(), object.end(),
                     [](const io::JsonMember& member) { return is_empty(member.second); });
}

const JsonValue* QuantizationReader::find(const char* key) {
  known_.insert(key);
  const JsonValue* value = object_.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

i64 QuantizationReader::integer(const char* key, std::initializer_list<i64> wanted) {
  const JsonValue* value = find(key);
  const auto number = value == nullptr ? std::nullopt : whole_number(*value);
  for (const i64 one : wanted) {
    if (number == one) return one;
  }
  refuse(key, fmt::format("{}", fmt::join(wanted, " or ")));
  return *wanted.begin();
}

std::string_view QuantizationReader::one_of(const char* key,
                                            std::initializer_list<std::string_view> wanted) {
  const JsonValue* value = find(key);
  for (const std::string_view one : wanted) {
    if (value != nullptr && value->is_string() && lower(value->as_string()) == one) return one;
  }
  refuse(key, fmt::format("{}", fmt::join(wanted, " or ")));
  return *wanted.begin();
}

std::string_view QuantizationReader::text(const char* key,
                                          std::initializer_list<std::string_view> wanted) {
  return one_of(key, wanted);
}

std::string_view QuantizationReader::optional_text(const char* key,
                                                   std::initializer_list<std::string_view> wanted) {
  return find(key) == nullptr ? *wanted.begin() : one_of(key, wanted);
}

void QuantizationReader::flag(const char* key, bool wanted, bool when_absent) {
  const JsonValue* value = find(key);
  if (value == nullptr ? when_absent == wanted : value->is_bool() && value->as_bool() == wanted) {
    return;
  }
  refuse(key, wanted ? "true" : "false");
}

void QuantizationReader::nothing(const char* key) {
  const JsonValue* value = find(key);
  if (value != nullptr && !is_empty(*value)) refuse(key, "null");
}

std::vector<std::string> QuantizationReader::texts(const char* key) {
  const JsonValue* value = find(key);
  if (value != nullptr && value->is_string()) return {value->as_string()};
  return read_texts(object_, prefix_, key, problems_);
}

void QuantizationReader::harmless(std::initializer_list<const char*> keys) {
  known_.insert(keys.begin(), keys.end());
}

void QuantizationReader::refuse(const char* key, std::string_view wanted) {
  const JsonValue* value = object_.find(key);
  problems_.unsupported(prefix_ + key,
                        fmt::format("only {} is supported, found {}", wanted,
                                    value == nullptr ? "nothing" : describe(*value)));
}

void QuantizationReader::refuse_unknown_keys() {
  if (!object_.is_object()) return;
  for (const auto& [key, value] : object_.as_object()) {
    if (known_.contains(key) || is_empty(value)) continue;
    problems_.unsupported(prefix_ + key,
                          fmt::format("found {}; what it does to the weights is not known here, so "
                                      "it is not passed over",
                                      describe(value)));
  }
}

}  // namespace fathom
