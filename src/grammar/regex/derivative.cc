#include <algorithm>
#include <optional>
#include <queue>

#include "grammar/regex/regex_arena.h"

namespace fathom::grammar {

Regex RegexArena::derivative(Regex regex, u8 byte) {
  const RegexKind what = kind(regex);
  if (what == RegexKind::kNothing || what == RegexKind::kEmpty) return kNothing;
  if (what == RegexKind::kBytes) return byte_set(regex).contains(byte) ? kEmpty : kNothing;
  const u64 key = u64{static_cast<u32>(regex)} << 8 | classes_.class_of(byte);
  if (const auto known = derivatives_.find(key)) return Regex{*known};
  const Regex result = compute_derivative(regex, byte);
  derivatives_.insert(key, static_cast<u32>(result));
  return result;
}

Regex RegexArena::compute_derivative(Regex regex, u8 byte) {
  const Node node = nodes_[index(regex)];
  switch (node.kind) {
    case RegexKind::kConcat:
      return derivative_of_concat(regex, byte);
    case RegexKind::kRepeat:
      return derivative_of_repeat(node, children(regex)[0], byte);
    case RegexKind::kComplement:
      return complement(derivative(children(regex)[0], byte));
    case RegexKind::kMultiple:
      return derivative_of_multiple(multiples_[node.extra], byte);
    default:
      break;
  }
  std::vector<Regex> parts(children(regex).begin(), children(regex).end());
  for (Regex& part : parts) {
    part = derivative(part, byte);
    if (part == kNothing && node.kind == RegexKind::kIntersect) return kNothing;
  }
  return node.kind == RegexKind::kAlternate ? alternate(std::move(parts))
                                            : intersect(std::move(parts));
}

// d(a b) = d(a) b | d(b) if a may be empty.
Regex RegexArena::derivative_of_concat(Regex regex, u8 byte) {
  std::vector<Regex> choices;
  while (kind(regex) == RegexKind::kConcat) {
    const Regex first = head(regex);
    const Regex rest = tail(regex);
    choices.push_back(concat(derivative(first, byte), rest));
    regex = rest;
    if (!nullable(first)) return alternate(std::move(choices));
  }
  choices.push_back(derivative(regex, byte));
  return alternate(std::move(choices));
}

// d(r{m,n}) = d(r) r{m-1,n-1}. It holds for an r that may be empty too: its min is 0.
Regex RegexArena::derivative_of_repeat(const Node& node, Regex inner, u8 byte) {
  const Regex first = derivative(inner, byte);
  if (first == kNothing) return kNothing;
  const u32 max = node.max == kUnbounded ? kUnbounded : node.max - 1;
  return concat(first, repeat(inner, node.min == 0 ? 0 : node.min - 1, max));
}

Regex RegexArena::live_derivative(Regex regex, u8 byte) {
  const Regex next = derivative(regex, byte);
  return matches_nothing(next) ? kNothing : next;
}

bool RegexArena::matches_nothing(Regex regex) {
  if (regex == kNothing) return true;
  if (nullable(regex) || !nodes_[index(regex)].may_be_void) return false;
  if (const auto known = void_.find(static_cast<u64>(regex))) return *known != 0;
  constexpr i64 kFewSteps = 500;  // mostly far less
  if (const auto found = find_match(regex, std::min(kFewSteps, emptiness_steps_))) return !*found;
  if (some_pair_matches_nothing(regex)) {
    void_.insert(static_cast<u64>(regex), 1);
    return true;
  }
  if (const auto found = find_shortest_match(regex, emptiness_steps_)) return !*found;
  throw BudgetError("deciding whether expressions can hold together takes too long");
}

/// Of an intersection of several, two can contradict each other with few states, where all of them
/// have many: a host's name is no URI whatever its length may be.
bool RegexArena::some_pair_matches_nothing(Regex regex) {
  constexpr size_t kMostParts = 6;
  if (kind(regex) != RegexKind::kIntersect) return false;
  const std::vector<Regex> parts(children(regex).begin(), children(regex).end());
  if (parts.size() < 3 || parts.size() > kMostParts) return false;
  for (size_t i = 0; i < parts.size(); ++i) {
    for (size_t j = i + 1; j < parts.size(); ++j) {
      const Regex pair = intersect(parts[i], parts[j]);
      if (pair == kNothing) return true;
      // The empty text is not looked for, and what it matches must not be noted as nothing.
      if (nullable(pair) || !nodes_[index(pair)].may_be_void) continue;
      const auto found = find_shortest_match(pair, emptiness_steps_);
      if (found && !*found) return true;
    }
  }
  return false;
}

// Depth first over the derivatives until one matches something. What the path went through does so
// then; if none is found nothing that was visited does. An expression without an intersection or
// complement at its top is taken apart instead: its derivatives would be many more. nullopt: not
// known after `max_steps`.
std::optional<bool> RegexArena::find_match(Regex start, i64 max_steps) {
  struct Visit {
    Regex regex;
    u32 next = 0;
  };
  std::vector<Visit> path{{start}};
  std::vector<Regex> visited{start};
  HashMap seen;
  seen.insert(static_cast<u64>(start), 1);
  bool found = false;
  i64 steps = 0;
  while (!path.empty() && !found) {
    deadline_.check();
    Visit& top = path.back();
    const std::optional<Regex> next = next_to_match(top.regex, top.next++);
    if (!next) {
      path.pop_back();
      continue;
    }
    if (++steps > max_steps) return std::nullopt;
    if (*next == kNothing || seen.find(static_cast<u64>(*next))) continue;
    const auto known = void_.find(static_cast<u64>(*next));
    if (known && *known != 0) continue;
    found = known || nullable(*next) || !nodes_[index(*next)].may_be_void;
    seen.insert(static_cast<u64>(*next), 1);
    visited.push_back(*next);
    path.push_back({*next});
  }
  for (const Visit& visit : path) void_.insert(static_cast<u64>(visit.regex), 0);
  if (!found) {
    for (const Regex regex : visited) void_.insert(static_cast<u64>(regex), 1);
  }
  return found;
}

// The same, always going on from the expression that may be the nearest to its end: where a text
// can open ever more brackets, depth first does so before it closes one.
std::optional<bool> RegexArena::find_shortest_match(Regex start, i64 max_steps) {
  struct Visit {
    Regex regex;
    u32 from;  // index in visited
  };
  struct Open {
    u32 least_bytes, visit;
    bool operator>(const Open& other) const { return least_bytes > other.least_bytes; }
  };
  std::vector<Visit> visited{{start, 0}};
  std::priority_queue<Open, std::vector<Open>, std::greater<>> open;
  open.push({nodes_[index(start)].least_bytes, 0});
  HashMap seen;
  seen.insert(static_cast<u64>(start), 1);
  i64 steps = 0;
  while (!open.empty()) {
    const u32 from = open.top().visit;
    open.pop();
    for (u32 number = 0;; ++number) {
      deadline_.check();
      const std::optional<Regex> next = next_to_match(visited[from].regex, number);
      if (!next) break;
      if (++steps > max_steps) return std::nullopt;
      if (*next == kNothing || seen.find(static_cast<u64>(*next))) continue;
      const auto known = void_.find(static_cast<u64>(*next));
      if (known && *known != 0) continue;
      if (known || nullable(*next) || !nodes_[index(*next)].may_be_void) {
        for (u32 at = from; at != 0; at = visited[at].from) {
          void_.insert(static_cast<u64>(visited[at].regex), 0);
        }
        void_.insert(static_cast<u64>(start), 0);
        return true;
      }
      seen.insert(static_cast<u64>(*next), 1);
      open.push({nodes_[index(*next)].least_bytes, static_cast<u32>(visited.size())});
      visited.push_back({*next, from});
    }
  }
  for (const Visit& visit : visited) void_.insert(static_cast<u64>(visit.regex), 1);
  return false;
}

/// Expressions of which one matches something just if `regex` does, by number.
std::optional<Regex> RegexArena::next_to_match(Regex regex, u32 number) {
  const std::span<const Regex> parts = children(regex);
  switch (kind(regex)) {
    case RegexKind::kAlternate:
      return number < parts.size() ? std::optional(parts[number]) : std::nullopt;
    case RegexKind::kRepeat:  // at least once, or it would be nullable
      return number == 0 ? std::optional(parts[0]) : std::nullopt;
    case RegexKind::kConcat: {
      const bool first = nodes_[index(parts[0])].may_be_void;
      const bool second = nodes_[index(parts[1])].may_be_void;
      if (first && second) break;
      return number == 0 ? std::optional(parts[first ? 0 : 1]) : std::nullopt;
    }
    default:
      break;
  }
  if (number >= classes_.count()) return std::nullopt;
  return derivative(regex, classes_.member(number));
}

}  // namespace fathom::grammar
