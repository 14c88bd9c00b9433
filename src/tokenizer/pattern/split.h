#pragma once
// A Split of a pre-tokenizer: a pattern, and what becomes of its matches.
#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/pattern/matcher.h"

namespace fathom::tokenizer {

/// What becomes of the matches of a Split.
enum class Behavior { kIsolated, kRemoved, kContiguous, kMergedWithPrevious, kMergedWithNext };

struct Split {
  std::unique_ptr<Matcher> matcher;
  Behavior behavior = Behavior::kIsolated;
  bool invert = false;  // what lies between two matches counts as a match, and they as between

  /// The pieces of `text` in order; none empty. Without `invert`, kIsolated's are the matches and
  /// what lies between them, which a caller has faster from the matcher.
  std::vector<Span> pieces(std::string_view text) const;
};

}  // namespace fathom::tokenizer
