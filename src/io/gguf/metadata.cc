#include "io/gguf/metadata.h"

#include <fmt/format.h>

#include <bit>
#include <limits>
#include <optional>

namespace fathom::io::gguf {
namespace {

bool is_integer(ValueType type) {
  return value_bytes(type) > 0 && type != ValueType::kF32 && type != ValueType::kF64 &&
         type != ValueType::kBool;
}
bool is_number(ValueType type) { return value_bytes(type) > 0 && type != ValueType::kBool; }

std::optional<i64> as_integer(ValueType type, u64 bits) {
  if (type == ValueType::kU64 && bits > static_cast<u64>(std::numeric_limits<i64>::max())) {
    return std::nullopt;
  }
  return static_cast<i64>(bits);
}

double as_number(ValueType type, u64 bits) {
  if (type == ValueType::kF32 || type == ValueType::kF64) return std::bit_cast<double>(bits);
  if (type == ValueType::kU64) return static_cast<double>(bits);
  return static_cast<double>(static_cast<i64>(bits));
}

}  // namespace

std::string_view to_string(ValueType type) {
  constexpr std::string_view kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                         "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<size_t>(type)];
}

i64 value_bytes(ValueType type) {
  switch (type) {
    case ValueType::kU8:
    case ValueType::kI8:
    case ValueType::kBool:
      return 1;
    case ValueType::kU16:
    case ValueType::kI16:
      return 2;
    case ValueType::kU32:
    case ValueType::kI32:
    case ValueType::kF32:
      return 4;
    case ValueType::kU64:
    case ValueType::kI64:
    case ValueType::kF64:
      return 8;
    case ValueType::kString:
    case ValueType::kArray:
      return 0;
  }
  return 0;
}

u64 widened(ValueType type, const u8* bytes) {
  u64 bits = 0;
  const auto width = static_cast<size_t>(value_bytes(type));
  for (size_t i = 0; i < width; ++i) bits |= u64{bytes[i]} << (8 * i);
  switch (type) {
    case ValueType::kI8:
      return static_cast<u64>(i64{static_cast<i8>(bits)});
    case ValueType::kI16:
      return static_cast<u64>(i64{static_cast<i16>(bits)});
    case ValueType::kI32:
      return static_cast<u64>(i64{static_cast<i32>(bits)});
    case ValueType::kF32:
      return std::bit_cast<u64>(static_cast<double>(std::bit_cast<float>(static_cast<u32>(bits))));
    default:
      return bits;
  }
}

std::string printable(std::string_view text) {
  constexpr size_t kShownBytes = 60;
  std::string out(text.substr(0, kShownBytes));
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text.size() > kShownBytes ? out + "..." : out;
}

std::string to_string(const Value& value) {
  if (value.type == ValueType::kString) return fmt::format("string \"{}\"", printable(value.text));
  if (value.type == ValueType::kArray) {
    return fmt::format("array of {} {}", value.count, to_string(value.element));
  }
  if (value.type == ValueType::kBool) return value.bits != 0 ? "bool true" : "bool false";
  if (is_integer(value.type)) {
    if (value.type == ValueType::kU64) return fmt::format("u64 {}", value.bits);
    return fmt::format("{} {}", to_string(value.type), static_cast<i64>(value.bits));
  }
  return fmt::format("{} {}", to_string(value.type), as_number(value.type, value.bits));
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): it is moved, inside try_emplace().
bool Metadata::add(std::string_view key, Value value) {
  const bool is_new = values_.try_emplace(key, std::move(value)).second;
  if (is_new) keys_.push_back(key);
  return is_new;
}

const Value* Metadata::find(std::string_view key) const {
  const auto at = values_.find(key);
  return at == values_.end() ? nullptr : &at->second;
}

Result<const Value*> Metadata::require(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) {
    return invalid_input(fmt::format("{}: the metadata has no {}", file_name_, key));
  }
  return value;
}

tl::unexpected<Error> Metadata::wrong_type(std::string_view key, const Value& found,
                                           std::string_view expected) const {
  return invalid_input(
      fmt::format("{}: {} is {}, expected {}", file_name_, key, to_string(found), expected));
}

Result<std::string_view> Metadata::string(std::string_view key) const {
  const auto value = require(key);
  if (!value) return tl::unexpected(value.error());
  if ((*value)->type != ValueType::kString) return wrong_type(key, **value, "a string");
  return (*value)->text;
}

Result<i64> Metadata::integer(std::string_view key) const {
  const auto value = require(key);
  if (!value) return tl::unexpected(value.error());
  if (is_integer((*value)->type)) {
    if (const auto integer = as_integer((*value)->type, (*value)->bits)) return *integer;
  }
  return wrong_type(key, **value, "an integer below 2^63");
}

Result<double> Metadata::number(std::string_view key) const {
  const auto value = require(key);
  if (!value) return tl::unexpected(value.error());
  if (!is_number((*value)->type)) return wrong_type(key, **value, "a number");
  return as_number((*value)->type, (*value)->bits);
}

Result<bool> Metadata::boolean(std::string_view key) const {
  const auto value = require(key);
  if (!value) return tl::unexpected(value.error());
  if ((*value)->type != ValueType::kBool) return wrong_type(key, **value, "true or false");
  return (*value)->bits != 0;
}

Result<std::span<const std::string_view>> Metadata::strings(std::string_view key) const {
  const auto value = require(key);
  if (!value) return tl::unexpected(value.error());
  if ((*value)->type != ValueType::kArray || (*value)->element != ValueType::kString) {
    return wrong_type(key, **value, "an array of strings");
  }
  return std::span<const std::string_view>((*value)->strings);
}

Result<std::vector<i64>> Metadata::integers(std::string_view key) const {
  const auto value = require(key);
  if (!value) return tl::unexpected(value.error());
  const Value& array = **value;
  if (array.type != ValueType::kArray || !is_integer(array.element)) {
    return wrong_type(key, array, "an array of integers");
  }
  std::vector<i64> out(static_cast<size_t>(array.count));
  const auto width = static_cast<size_t>(value_bytes(array.element));
  for (size_t i = 0; i < out.size(); ++i) {
    const auto integer =
        as_integer(array.element, widened(array.element, array.elements.data() + i * width));
    if (!integer) return wrong_type(key, array, "integers below 2^63");
    out[i] = *integer;
  }
  return out;
}

Result<std::vector<double>> Metadata::numbers(std::string_view key) const {
  const auto value = require(key);
  if (!value) return tl::unexpected(value.error());
  const Value& array = **value;
  if (array.type != ValueType::kArray || !is_number(array.element)) {
    return wrong_type(key, array, "an array of numbers");
  }
  std::vector<double> out(static_cast<size_t>(array.count));
  const auto width = static_cast<size_t>(value_bytes(array.element));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = as_number(array.element, widened(array.element, array.elements.data() + i * width));
  }
  return out;
}

}  // namespace fathom::io::gguf
