#pragma once
// Internal to config/: reads one object of a quantization_config so that nothing in it is passed
// over. A key that nobody has asked for changes the result for all we know, and is refused.
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "config/problems.h"

namespace fathom::io {
class JsonValue;
}

namespace fathom {

/// Says nothing: null, false, "", or an array or an object of such values only.
bool is_empty(const io::JsonValue& value);

class QuantizationReader {
 public:
  /// `prefix` stands before keys in messages. `object` and `problems` must outlive the reader.
  QuantizationReader(const io::JsonValue& object, std::string prefix, Problems& problems)
      : object_(object), prefix_(std::move(prefix)), problems_(problems) {}

  /// nullptr if absent or null.
  const io::JsonValue* find(const char* key);
  std::string name_of(const char* key) const { return prefix_ + key; }

  /// Must be there and equal one of `wanted`.
  i64 integer(const char* key, std::initializer_list<i64> wanted);
  /// Must be there and equal one of `wanted`, whose letters are small, in any case.
  std::string_view text(const char* key, std::initializer_list<std::string_view> wanted);
  /// The same, or absent: then the first of `wanted`.
  std::string_view optional_text(const char* key, std::initializer_list<std::string_view> wanted);
  void flag(const char* key, bool wanted, bool when_absent);
  /// Must be absent or empty: it would change the result.
  void nothing(const char* key);
  /// A list of strings, or one string; absent or null is an empty list.
  std::vector<std::string> texts(const char* key);
  /// May say anything: it does not change what the weights mean.
  void harmless(std::initializer_list<const char*> keys);

  void refuse(const char* key, std::string_view wanted);
  /// Refuses every key that is not empty and that no call above has named. Call it last.
  void refuse_unknown_keys();

 private:
  std::string_view one_of(const char* key, std::initializer_list<std::string_view> wanted);

  const io::JsonValue& object_;
  std::string prefix_;
  Problems& problems_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace fathom
