#pragma once
// What is done to a text before it is cut into pieces: the "normalizer" of a tokenizer.json.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizer/unicode/normalize.h"

namespace fathom::io {
class JsonValue;
}

namespace fathom::tokenizer {

class Normalizer {
 public:
  /// Leaves every text alone.
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizationForm> steps) : steps_(std::move(steps)) {}

  /// Reads the value of "normalizer": null, NFC, NFD or a Sequence of them. `where` opens every
  /// error message. kUnsupported names any other type.
  static Result<Normalizer> from_json(const io::JsonValue& value, std::string_view where);
  /// The value for saving.
  io::JsonValue json() const;

  bool empty() const { return steps_.empty(); }
  /// `text` (valid UTF-8) itself where nothing changes, else a copy kept in `storage`.
  std::string_view apply(std::string_view text, std::string& storage) const;

 private:
  std::vector<NormalizationForm> steps_;
};

}  // namespace fathom::tokenizer
