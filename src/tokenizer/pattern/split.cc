#include "tokenizer/pattern/split.h"

namespace fathom::tokenizer {
namespace {

/// A stretch of the text that is a match or lies between two.
struct Part {
  Span span;
  bool is_match = false;
};

/// The matches and what is between them, in order; none empty.
std::vector<Part> parts_of(const Split& split, std::string_view text) {
  std::vector<Part> parts;
  size_t done = 0;
  const auto push = [&](Span span, bool is_match) {
    if (span.end > span.begin) parts.push_back({span, is_match != split.invert});
    done = span.end;
  };
  split.matcher->for_each_match(text, [&](Span match) {
    push({done, match.begin}, false);
    push(match, true);
  });
  push({done, text.size()}, false);
  return parts;
}

/// Joins each match that does not follow another to the part before it in `parts`' direction.
std::vector<Span> merge_matches(const std::vector<Part>& parts) {
  std::vector<Span> merged;
  bool after_match = false;
  for (const Part& part : parts) {
    if (part.is_match && !after_match && !merged.empty()) {
      merged.back().end = part.span.end;
    } else {
      merged.push_back(part.span);
    }
    after_match = part.is_match;
  }
  return merged;
}

/// The same from the back: a match joins what follows it.
std::vector<Span> merge_matches_forward(const std::vector<Part>& parts) {
  std::vector<Span> merged;
  bool after_match = false;
  for (size_t i = parts.size(); i-- > 0;) {
    if (parts[i].is_match && !after_match && !merged.empty()) {
      merged.back().begin = parts[i].span.begin;
    } else {
      merged.push_back(parts[i].span);
    }
    after_match = parts[i].is_match;
  }
  return {merged.rbegin(), merged.rend()};
}

std::vector<Span> apply_behavior(Behavior behavior, const std::vector<Part>& parts) {
  if (behavior == Behavior::kMergedWithPrevious) return merge_matches(parts);
  if (behavior == Behavior::kMergedWithNext) return merge_matches_forward(parts);
  std::vector<Span> spans;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    if (behavior == Behavior::kRemoved && part.is_match) continue;
    const bool joins =
        behavior == Behavior::kContiguous && i > 0 && parts[i - 1].is_match == part.is_match;
    if (joins) {
      spans.back().end = part.span.end;
    } else {
      spans.push_back(part.span);
    }
  }
  return spans;
}

}  // namespace

std::vector<Span> Split::pieces(std::string_view text) const {
  return apply_behavior(behavior, parts_of(*this, text));
}

}  // namespace fathom::tokenizer
