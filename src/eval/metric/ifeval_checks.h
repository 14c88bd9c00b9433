#pragma once
// The 25 instructions of IFEval. Internal to metric/.
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"

namespace fathom::eval {

/// The kwargs of one instruction. What is asked for and is not there is noted.
class InstructionSettings {
 public:
  explicit InstructionSettings(const io::JsonValue& value) : value_(value) {}

  i64 number(std::string_view key) const;
  std::string text(std::string_view key) const;
  std::vector<std::string> texts(std::string_view key) const;
  /// count < or >= the number, by the text under `relation`.
  bool holds(i64 count, std::string_view number_key, std::string_view relation_key) const;
  /// The first that was missing.
  const std::string& missing() const { return missing_; }

 private:
  const io::JsonValue& value_;
  mutable std::string missing_;
};

using InstructionCheck = bool (*)(const std::string& answer, const InstructionSettings& settings);

/// Null for a name that is none.
InstructionCheck find_check(std::string_view name);

/// Is it in the language of this ISO 639-1 code? By script, else by the most frequent words.
bool is_language(const std::string& text, std::string_view code);

}  // namespace fathom::eval
