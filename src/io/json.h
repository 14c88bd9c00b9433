#pragma once
// JSON from untrusted text, as a small value type. The parser is nlohmann's; this header does not
// include it (compile time), and adds what untrusted input needs: caps on size, depth and number of
// values, duplicate keys refused, errors that name the file and line.
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace fathom::io {

class JsonValue;
using JsonArray = std::vector<JsonValue>;
using JsonMember = std::pair<std::string, JsonValue>;

enum class JsonKind { kNull, kBool, kInteger, kNumber, kString, kArray, kObject };
/// "an integer", "a string", ...: for messages.
std::string_view kind_name(JsonKind kind);

/// Members in the order of the text; find() is O(log n).
class JsonObject {
 public:
  const JsonValue* find(std::string_view key) const;
  /// Replaces the member or appends it. O(n) per new key: for building small objects.
  void set(std::string key, JsonValue value);
  bool erase(std::string_view key);
  bool empty() const;
  size_t size() const;
  std::vector<JsonMember>::const_iterator begin() const;
  std::vector<JsonMember>::const_iterator end() const;

 private:
  friend class JsonBuilder;
  void index();  // sorts by_key_
  size_t lower_bound(std::string_view key) const;

  std::vector<JsonMember> members_;
  std::vector<u32> by_key_;  // indices of members_, sorted by key
};

/// A JSON value. Integers that fit i64 are kInteger; every other number is kNumber (a double).
class JsonValue {
 public:
  JsonValue() = default;                                      // null
  JsonValue(bool value) : value_(value) {}                    // NOLINT(google-explicit-constructor)
  JsonValue(i64 value) : value_(value) {}                     // NOLINT
  JsonValue(i32 value) : value_(static_cast<i64>(value)) {}   // NOLINT
  JsonValue(double value) : value_(value) {}                  // NOLINT
  JsonValue(std::string value) : value_(std::move(value)) {}  // NOLINT
  JsonValue(std::string_view value) : value_(std::string(value)) {}  // NOLINT
  JsonValue(const char* value) : value_(std::string(value)) {}       // NOLINT
  JsonValue(JsonArray value) : value_(std::move(value)) {}           // NOLINT
  JsonValue(JsonObject value) : value_(std::move(value)) {}          // NOLINT

  JsonKind kind() const { return static_cast<JsonKind>(value_.index()); }
  bool is_null() const { return kind() == JsonKind::kNull; }
  bool is_bool() const { return kind() == JsonKind::kBool; }
  bool is_integer() const { return kind() == JsonKind::kInteger; }
  bool is_number() const { return kind() == JsonKind::kNumber || is_integer(); }
  bool is_string() const { return kind() == JsonKind::kString; }
  bool is_array() const { return kind() == JsonKind::kArray; }
  bool is_object() const { return kind() == JsonKind::kObject; }

  // Asking for another kind than it has is our bug and throws InternalError: test first, or use the
  // typed getters below.
  bool as_bool() const;
  i64 as_integer() const;
  double as_number() const;  // also of an integer
  const std::string& as_string() const;
  const JsonArray& as_array() const;
  const JsonObject& as_object() const;
  JsonArray& as_array();
  JsonObject& as_object();

  /// The member, or nullptr if this is no object or has no such key.
  const JsonValue* find(std::string_view key) const;

 private:
  // In the order of JsonKind.
  std::variant<std::monostate, bool, i64, double, std::string, JsonArray, JsonObject> value_;
};

// These need JsonValue complete.
inline bool JsonObject::empty() const { return members_.empty(); }
inline size_t JsonObject::size() const { return members_.size(); }
inline std::vector<JsonMember>::const_iterator JsonObject::begin() const {
  return members_.begin();
}
inline std::vector<JsonMember>::const_iterator JsonObject::end() const { return members_.end(); }

struct JsonLimits {
  i64 max_bytes = i64{64} << 20;
  i64 max_depth = 64;
  i64 max_values = 8'000'000;
  bool last_key_wins = false;  // of equal keys in an object; else they are refused
  /// Half a surrogate pair in an escape (JavaScript cuts texts there) is U+FFFD; else refused.
  bool replace_lone_surrogates = false;
};

/// `where` names the text in messages ("config.json"). Errors (kInvalidInput) give line and column.
[[nodiscard]] Result<JsonValue> parse_json(std::string_view text, const std::string& where,
                                           const JsonLimits& limits = {});
/// The same from a file; kNotFound if there is none.
[[nodiscard]] Result<JsonValue> read_json(const std::filesystem::path& path,
                                          const JsonLimits& limits = {});
/// indent 0: one line. Floats are printed with the fewest digits that read back the same.
std::string write_json(const JsonValue& value, int indent = 0);

// Typed getters. `where` is what stands before the key in messages, such as "config.json" or
// "config.json: rope_scaling". An absent key and a wrong type are Errors:
//   config.json: hidden_size: expected an integer, found a string "big"
[[nodiscard]] Result<bool> get_bool(const JsonValue& object, std::string_view key,
                                    std::string_view where);
[[nodiscard]] Result<i64> get_integer(const JsonValue& object, std::string_view key,
                                      std::string_view where);
[[nodiscard]] Result<double> get_number(const JsonValue& object, std::string_view key,
                                        std::string_view where);
[[nodiscard]] Result<std::string> get_string(const JsonValue& object, std::string_view key,
                                             std::string_view where);
[[nodiscard]] Result<const JsonArray*> get_array(const JsonValue& object, std::string_view key,
                                                 std::string_view where);
[[nodiscard]] Result<const JsonObject*> get_object(const JsonValue& object, std::string_view key,
                                                   std::string_view where);
/// A short rendering for messages: `a string "big"`, `the integer 5`, `null`, `an array`.
std::string describe(const JsonValue& value);

}  // namespace fathom::io
