#include "io/gguf/reader.h"

#include <fmt/format.h>

namespace fathom::io::gguf {

Result<std::span<const u8>> Reader::take(u64 count, std::string_view what) {
  if (count > left()) {
    return invalid_input(
        fmt::format("{}: {} at byte {} takes {} bytes, but {} follow; is the file truncated? Then "
                    "download it again",
                    file_name_, what, at_, count, left()));
  }
  const std::span<const u8> taken = bytes_.subspan(at_, static_cast<size_t>(count));
  at_ += static_cast<size_t>(count);
  return taken;
}

Result<u32> Reader::u32_of(std::string_view what) {
  const auto bytes = take(4, what);
  if (!bytes) return tl::unexpected(bytes.error());
  return static_cast<u32>(widened(ValueType::kU32, bytes->data()));
}

Result<u64> Reader::u64_of(std::string_view what) {
  const auto bytes = take(8, what);
  if (!bytes) return tl::unexpected(bytes.error());
  return widened(ValueType::kU64, bytes->data());
}

Result<std::string_view> Reader::string_of(std::string_view what) {
  const auto length = u64_of(what);
  if (!length) return tl::unexpected(length.error());
  const auto bytes = take(*length, what);
  if (!bytes) return tl::unexpected(bytes.error());
  return std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

Result<ValueType> Reader::value_type_of(std::string_view key) {
  const auto number = u32_of("the type of a value");
  if (!number) return tl::unexpected(number.error());
  if (*number > static_cast<u32>(ValueType::kF64)) {
    return invalid_input(fmt::format("{}: {} has the value type {}, expected 0 to 12", file_name_,
                                     printable(key), *number));
  }
  return static_cast<ValueType>(*number);
}

Result<Value> Reader::value_of(std::string_view key) {
  Value value;
  const auto type = value_type_of(key);
  if (!type) return tl::unexpected(type.error());
  value.type = *type;
  if (value.type == ValueType::kString) {
    const auto text = string_of("a string");
    if (!text) return tl::unexpected(text.error());
    value.text = *text;
    return value;
  }
  if (value.type == ValueType::kArray) {
    if (auto read = read_array(value, key); !read) return tl::unexpected(read.error());
    return value;
  }
  const auto bytes = take(static_cast<u64>(value_bytes(value.type)), "a value");
  if (!bytes) return tl::unexpected(bytes.error());
  value.bits = widened(value.type, bytes->data());
  if (value.type == ValueType::kBool && value.bits > 1) {
    return invalid_input(fmt::format("{}: {} is a bool of {}, expected 0 or 1", file_name_,
                                     printable(key), value.bits));
  }
  return value;
}

Result<void> Reader::read_array(Value& value, std::string_view key) {
  const auto element = value_type_of(key);
  if (!element) return tl::unexpected(element.error());
  if (*element == ValueType::kArray) {
    return unsupported(fmt::format("{}: {} is an array of arrays; no model needs one", file_name_,
                                   printable(key)));
  }
  const auto count = u64_of("the length of an array");
  if (!count) return tl::unexpected(count.error());
  const bool is_text = *element == ValueType::kString;
  const u64 least_bytes = is_text ? 8 : static_cast<u64>(value_bytes(*element));
  if (*count > left() / least_bytes) {
    return invalid_input(
        fmt::format("{}: {} is an array of {} {}, but only {} bytes follow; is the file truncated? "
                    "Then download it again",
                    file_name_, printable(key), *count, to_string(*element), left()));
  }
  value.element = *element;
  value.count = static_cast<i64>(*count);
  if (!is_text) {
    const auto bytes = take(*count * least_bytes, "an array");
    if (!bytes) return tl::unexpected(bytes.error());
    value.elements = *bytes;
    return {};
  }
  value.strings.reserve(static_cast<size_t>(*count));
  for (u64 i = 0; i < *count; ++i) {
    const auto text = string_of("a string of an array");
    if (!text) return tl::unexpected(text.error());
    value.strings.push_back(*text);
  }
  return {};
}

}  // namespace fathom::io::gguf
