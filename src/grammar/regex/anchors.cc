#include "grammar/regex/anchors.h"

#include <unordered_map>

namespace fathom::grammar {
namespace {

/// Rewrites an expression bottom up; each node once.
class AnchorResolver {
 public:
  explicit AnchorResolver(RegexArena& arena) : arena_(arena) {}

  /// { w : w$ matches }: $ taken away from the end.
  Regex before_end(Regex regex) {
    if (const auto known = before_end_.find(regex); known != before_end_.end())
      return known->second;
    const Regex result = compute_before_end(regex);
    before_end_[regex] = result;
    return result;
  }

  /// The texts without anchors among those that match.
  Regex without_anchors(Regex regex) {
    if (const auto known = without_.find(regex); known != without_.end()) return known->second;
    const Regex result = compute_without(regex);
    without_[regex] = result;
    return result;
  }

 private:
  std::vector<Regex> children(Regex regex) const {
    const auto span = arena_.children(regex);
    return {span.begin(), span.end()};
  }

  Regex compute_before_end(Regex regex) {
    const std::vector<Regex> parts = children(regex);
    switch (arena_.kind(regex)) {
      case RegexKind::kBytes:
        return arena_.byte_set(regex).contains(kEndOfText) ? arena_.empty() : arena_.nothing();
      case RegexKind::kConcat: {
        const Regex inside = arena_.concat(parts[0], before_end(parts[1]));
        return arena_.nullable(parts[1]) ? arena_.alternate(inside, before_end(parts[0])) : inside;
      }
      case RegexKind::kAlternate: {
        std::vector<Regex> choices;
        for (const Regex part : parts) choices.push_back(before_end(part));
        return arena_.alternate(std::move(choices));
      }
      case RegexKind::kRepeat: {
        const u32 min = arena_.min(regex), max = arena_.max(regex);
        const Regex before = arena_.repeat(parts[0], min == 0 ? 0 : min - 1,
                                           max == kUnbounded ? kUnbounded : max - 1);
        return arena_.concat(before, before_end(parts[0]));
      }
      default:
        return arena_.nothing();
    }
  }

  Regex compute_without(Regex regex) {
    std::vector<Regex> parts = children(regex);
    for (Regex& part : parts) part = without_anchors(part);
    switch (arena_.kind(regex)) {
      case RegexKind::kBytes: {
        const ByteSet anchors = ByteSet::of(kStartOfText) | ByteSet::of(kEndOfText);
        return arena_.bytes(arena_.byte_set(regex) & ~anchors);
      }
      case RegexKind::kConcat:
        return arena_.concat(parts[0], parts[1]);
      case RegexKind::kAlternate:
        return arena_.alternate(std::move(parts));
      case RegexKind::kRepeat:
        return arena_.repeat(parts[0], arena_.min(regex), arena_.max(regex));
      default:
        return regex;
    }
  }

  RegexArena& arena_;
  std::unordered_map<Regex, Regex> before_end_, without_;
};

/// { w : ^w$ matches `marked` }.
Regex between_anchors(RegexArena& arena, Regex marked) {
  AnchorResolver resolver(arena);
  return resolver.without_anchors(resolver.before_end(arena.derivative(marked, kStartOfText)));
}

}  // namespace

Regex found_in(RegexArena& arena, Regex pattern, Regex any_text) {
  const Regex start = arena.bytes(ByteSet::of(kStartOfText));
  const Regex end = arena.bytes(ByteSet::of(kEndOfText));
  return between_anchors(arena,
                         arena.concat({arena.optional(arena.concat(start, any_text)), pattern,
                                       arena.optional(arena.concat(any_text, end))}));
}

Regex whole_text(RegexArena& arena, Regex pattern) {
  const Regex start = arena.bytes(ByteSet::of(kStartOfText));
  const Regex end = arena.bytes(ByteSet::of(kEndOfText));
  return between_anchors(arena,
                         arena.concat({arena.optional(start), pattern, arena.optional(end)}));
}

}  // namespace fathom::grammar
