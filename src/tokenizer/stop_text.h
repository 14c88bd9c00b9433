#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace fathom::tokenizer {

/// Watches a stream of text for stop texts, also across pieces; holds back only what could still
/// become one. For every way of cutting the text into pieces the output is the same.
class StopTextFilter {
 public:
  explicit StopTextFilter(std::vector<std::string> stops);

  /// The part of the stream that is now certain, until the next call. After a match: the text
  /// before it, and stopped() is true; further pieces are ignored.
  std::string_view push(std::string_view piece);
  /// The end of the stream: what was held back.
  std::string finish();
  bool stopped() const { return matched_ >= 0; }
  /// Which of the stop texts came; -1: none has.
  i32 matched() const { return matched_; }
  /// That text; empty before.
  const std::string& stop_text() const;

 private:
  std::vector<std::string> stops_;
  std::string held_, certain_;
  i32 matched_ = -1;
};

}  // namespace fathom::tokenizer
