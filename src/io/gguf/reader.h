#pragma once
// Internal to io/gguf: a cursor over untrusted bytes.
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/types.h"
#include "io/gguf/metadata.h"

namespace fathom::io::gguf {

/// Reads little-endian values one after another; never past the end. Errors name the file, the
/// place and what was being read.
class Reader {
 public:
  Reader(std::span<const u8> bytes, const std::string& file_name)
      : bytes_(bytes), file_name_(file_name) {}

  /// `what` is said in the error: "the number of tensors".
  Result<u32> u32_of(std::string_view what);
  Result<u64> u64_of(std::string_view what);
  /// A u64 length and so many bytes.
  Result<std::string_view> string_of(std::string_view what);
  Result<std::span<const u8>> take(u64 count, std::string_view what);
  /// A type and its value; `key` is said in errors.
  Result<Value> value_of(std::string_view key);

  size_t position() const { return at_; }
  size_t left() const { return bytes_.size() - at_; }

 private:
  Result<ValueType> value_type_of(std::string_view key);
  Result<void> read_array(Value& value, std::string_view key);

  std::span<const u8> bytes_;
  const std::string& file_name_;
  size_t at_ = 0;
};

}  // namespace fathom::io::gguf
