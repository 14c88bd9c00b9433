#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "config/run/data_config.h"
#include "eval/overlap/overlap.h"
#include "io/json.h"

namespace fathom::posttrain {

/// Keeps training data apart from evaluation sets (data.apart_from): what shares data.apart_words
/// words in a row with one of their items is left out. Items and texts of fewer words are not seen.
/// Source: R1 (2501.12948, v2, appendix D.1), which does so with 10 words.
class Decontamination {
 public:
  /// Reads the sets. Throws Error: a path that gives no file, a file that is damaged.
  explicit Decontamination(const DataConfig& data);

  /// Whether to leave it out; then it is counted. Of a line all its texts.
  bool has(std::string_view text);
  bool has_line(const io::JsonValue& line) { return index_ && has(eval::texts_in(line)); }
  i64 left_out() const { return left_out_; }
  /// A line for the log; nothing where there are no sets.
  std::string statistics() const;

 private:
  std::optional<eval::OverlapIndex> index_;
  i64 words_ = 0, items_ = 0, left_out_ = 0;
};

}  // namespace fathom::posttrain
