#pragma once
// The key-value pairs of a GGUF file: typed scalars, strings and arrays, as untrusted as all of it.
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace fathom::io::gguf {

/// The numbers are those of the file format.
enum class ValueType : u32 {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};
std::string_view to_string(ValueType type);  // "u32", "string"

/// One value. Strings view the file's bytes.
struct Value {
  ValueType type = ValueType::kU32;
  ValueType element = ValueType::kU32;    // of an array
  i64 count = 0;                          // of an array
  u64 bits = 0;                           // of a number, widened: sign or zero extended; f64 bits
  std::string_view text = {};             // of a string
  std::span<const u8> elements = {};      // of an array of numbers: little endian, unaligned
  std::vector<std::string_view> strings;  // of an array of strings
};

/// All pairs of one file. The accessors return an Error that names file, key, what was found and
/// what was expected.
class Metadata {
 public:
  explicit Metadata(std::string file_name = {}) : file_name_(std::move(file_name)) {}

  /// False if the key is there already.
  bool add(std::string_view key, Value value);

  const Value* find(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }
  /// In the order of the file.
  std::span<const std::string_view> keys() const { return keys_; }
  const std::string& file_name() const { return file_name_; }

  Result<std::string_view> string(std::string_view key) const;
  /// Any integer type; a value that does not fit i64 is an error.
  Result<i64> integer(std::string_view key) const;
  /// Any number type.
  Result<double> number(std::string_view key) const;
  Result<bool> boolean(std::string_view key) const;
  Result<std::span<const std::string_view>> strings(std::string_view key) const;
  /// An array of integers of any type.
  Result<std::vector<i64>> integers(std::string_view key) const;
  /// An array of numbers of any type.
  Result<std::vector<double>> numbers(std::string_view key) const;

 private:
  Result<const Value*> require(std::string_view key) const;
  tl::unexpected<Error> wrong_type(std::string_view key, const Value& found,
                                   std::string_view expected) const;

  std::string file_name_;
  std::vector<std::string_view> keys_;
  std::unordered_map<std::string_view, Value> values_;
};

/// Text of a file for a message: at most 60 bytes, what is no printable ASCII replaced by '?'.
std::string printable(std::string_view text);

/// Bytes of one number of this type; 0 for strings and arrays.
i64 value_bytes(ValueType type);
/// The bits of a number as Value::bits holds them, from its little-endian bytes.
u64 widened(ValueType type, const u8* bytes);
/// "u32 7", "string \"llama\"", "array of 49152 strings": for messages and tables.
std::string to_string(const Value& value);

}  // namespace fathom::io::gguf
