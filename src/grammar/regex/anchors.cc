#include "grammar/regex/anchors.h"

#include <algorithm>
#include <unordered_map>

namespace fathom::grammar {
namespace {

constexpr int kMaxDepth = 4000;  // of expressions inside expressions: what the stack bears

/// a(b(c d)) as a, b, c, d: long, where everything else is deep.
std::vector<Regex> parts_of_concat(const RegexArena& arena, Regex regex) {
  std::vector<Regex> parts;
  while (arena.kind(regex) == RegexKind::kConcat) {
    parts.push_back(arena.children(regex)[0]);
    regex = arena.children(regex)[1];
  }
  parts.push_back(regex);
  return parts;
}

std::vector<Regex> parts_of(const RegexArena& arena, Regex regex) {
  if (arena.kind(regex) == RegexKind::kConcat) return parts_of_concat(arena, regex);
  const std::span children = arena.children(regex);
  return {children.begin(), children.end()};
}

/// Rewrites an expression from the inside, each node once.
class Rewriter {
 public:
  explicit Rewriter(RegexArena& arena) : arena_(arena) {}
  virtual ~Rewriter() = default;

  Regex rewrite(Regex regex) {
    if (const auto known = known_.find(regex); known != known_.end()) return known->second;
    if (++depth_ > kMaxDepth) throw BudgetError("the pattern is nested too deeply");
    const Regex result = compute(regex);
    --depth_;
    known_[regex] = result;
    return result;
  }

 protected:
  virtual Regex compute(Regex regex) = 0;
  Regex concat_all(const std::vector<Regex>& parts) {
    Regex all = arena_.empty();
    for (size_t i = parts.size(); i-- > 0;) all = arena_.concat(parts[i], all);
    return all;
  }

  RegexArena& arena_;

 private:
  int depth_ = 0;
  std::unordered_map<Regex, Regex> known_;
};

/// The texts without anchors among those that match.
class AnchorsDropped : public Rewriter {
 public:
  using Rewriter::Rewriter;

 private:
  Regex compute(Regex regex) override {
    std::vector<Regex> parts = parts_of(arena_, regex);
    for (Regex& part : parts) part = rewrite(part);
    switch (arena_.kind(regex)) {
      case RegexKind::kBytes: {
        const ByteSet anchors = ByteSet::of(kStartOfText) | ByteSet::of(kEndOfText);
        return arena_.bytes(arena_.byte_set(regex) & ~anchors);
      }
      case RegexKind::kConcat:
        return concat_all(parts);
      case RegexKind::kAlternate:
        return arena_.alternate(std::move(parts));
      case RegexKind::kRepeat:
        return arena_.repeat(parts[0], arena_.min(regex), arena_.max(regex));
      default:
        return regex;
    }
  }
};

/// { w : w$...$ matches }, any number of $ taken away from the end; or of ^ from the start.
class AnchorsTaken : public Rewriter {
 public:
  enum class From { kStart, kEnd };
  AnchorsTaken(RegexArena& arena, From from)
      : Rewriter(arena), from_(from), anchor_(from == From::kStart ? kStartOfText : kEndOfText) {}

 private:
  Regex compute(Regex regex) override {
    switch (arena_.kind(regex)) {
      case RegexKind::kBytes:
        return arena_.byte_set(regex).contains(anchor_) ? arena_.optional(regex) : regex;
      case RegexKind::kConcat:
        return of_concat(regex);
      case RegexKind::kAlternate: {
        std::vector<Regex> choices = parts_of(arena_, regex);
        for (Regex& choice : choices) choice = rewrite(choice);
        return arena_.alternate(std::move(choices));
      }
      case RegexKind::kRepeat:
        return of_repeat(regex);
      default:
        return regex;
    }
  }

  // The part at that end gives up its anchors; if nothing need be left of it, the next one may too.
  Regex of_concat(Regex regex) {
    std::vector<Regex> parts = parts_of_concat(arena_, regex);
    std::vector<Regex> choices;
    while (!parts.empty()) {
      Regex& outermost = from_ == From::kStart ? parts.front() : parts.back();
      const Regex taken = rewrite(outermost);
      // Nothing to take makes a choice that is among the one before.
      if (choices.empty() || taken != outermost) {
        outermost = taken;
        choices.push_back(concat_all(parts));
      }
      if (!arena_.nullable(taken)) break;
      parts.erase(from_ == From::kStart ? parts.begin() : parts.end() - 1);
    }
    return arena_.alternate(std::move(choices));
  }

  Regex of_repeat(Regex regex) {
    const Regex inner = arena_.children(regex)[0];
    const Regex taken = rewrite(inner);
    if (taken == inner) return regex;
    const u32 min = arena_.min(regex), max = arena_.max(regex);
    const Regex others = arena_.repeat(inner, arena_.nullable(taken) || min == 0 ? 0 : min - 1,
                                       max == kUnbounded ? kUnbounded : max - 1);
    const Regex all =
        from_ == From::kStart ? arena_.concat(taken, others) : arena_.concat(others, taken);
    return min == 0 ? arena_.optional(all) : all;
  }

  From from_;
  u8 anchor_;
};

/// Can it match nothing but anchors, in any order? At the empty text all of them hold.
bool matches_anchors(const RegexArena& arena, Regex regex, int depth = 0) {
  if (depth > kMaxDepth) throw BudgetError("the pattern is nested too deeply");
  const std::vector<Regex> parts = parts_of(arena, regex);
  const auto holds = [&](Regex part) { return matches_anchors(arena, part, depth + 1); };
  switch (arena.kind(regex)) {
    case RegexKind::kBytes:
      return arena.byte_set(regex).contains(kStartOfText) ||
             arena.byte_set(regex).contains(kEndOfText);
    case RegexKind::kConcat:
      return std::ranges::all_of(parts, holds);
    case RegexKind::kAlternate:
      return std::ranges::any_of(parts, holds);
    case RegexKind::kRepeat:
      return arena.nullable(regex) || holds(parts[0]);
    default:
      return arena.nullable(regex);
  }
}

/// { w : ^...^w$...$ matches `marked` }.
Regex between_anchors(RegexArena& arena, Regex marked) {
  AnchorsTaken at_end(arena, AnchorsTaken::From::kEnd);
  AnchorsTaken at_start(arena, AnchorsTaken::From::kStart);
  AnchorsDropped inside(arena);
  const Regex between = inside.rewrite(at_start.rewrite(at_end.rewrite(marked)));
  return matches_anchors(arena, marked) ? arena.optional(between) : between;
}

}  // namespace

Regex found_in(RegexArena& arena, Regex pattern, Regex any_text) {
  return between_anchors(arena, arena.concat({any_text, pattern, any_text}));
}

Regex whole_text(RegexArena& arena, Regex pattern) { return between_anchors(arena, pattern); }

}  // namespace fathom::grammar
