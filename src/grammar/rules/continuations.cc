// How an expression may go on.
#include <algorithm>

#include "base/check.h"
#include "grammar/rules/rule_arena.h"

namespace fathom::grammar {

std::span<const Continuation> RuleArena::continuations(Expr expr) {
  FATHOM_CHECK(finished_, "continuations before finish()");
  const auto known = found_.find(static_cast<u64>(expr));
  if (!known) collect(expr);
  const Range range = ranges_[known ? *known : ranges_.size() - 1];
  return std::span(continuations_).subspan(range.first, range.count);
}

// Of all ways down to a regular expression, with what is behind it. Those that begin with the same
// one become one, so that a text has as many readings as it has different unfinished expressions,
// however many derivations lead to them.
void RuleArena::collect(Expr start) {
  struct Place {
    Expr expr, rest;
  };
  collected_.clear();
  std::vector<Place> open{{start, kEmpty}};
  HashMap seen;
  const auto visit = [&](Expr expr, Expr rest) {
    if (!can_match(expr) || !can_match(rest)) return;
    const u64 key = u64{static_cast<u32>(expr)} << 32 | static_cast<u32>(rest);
    if (seen.find(key)) return;
    seen.insert(key, 1);
    open.push_back({expr, rest});
  };
  while (!open.empty()) {
    const auto [expr, rest] = open.back();
    open.pop_back();
    const Node node = nodes_[index(expr)];
    const auto part = [&](size_t i) { return children_[node.first_child + i]; };
    switch (node.kind) {
      case ExprKind::kNothing:
      case ExprKind::kEmpty:
        break;
      case ExprKind::kRegex:
        collected_.push_back({Regex{node.extra}, rest});
        break;
      case ExprKind::kSequence:
        visit(part(0), sequence(part(1), rest));
        if (nullable(part(0))) visit(part(1), rest);
        break;
      case ExprKind::kChoice:
        for (size_t i = 0; i < node.num_children; ++i) visit(part(i), rest);
        break;
      case ExprKind::kRepeat: {
        const u32 max = node.max == kUnbounded ? kUnbounded : node.max - 1;
        visit(part(0), sequence(repeat(part(0), node.min == 0 ? 0 : node.min - 1, max), rest));
        break;
      }
      case ExprKind::kRule:
        visit(*rules_[node.extra].body, rest);
        break;
    }
  }
  std::ranges::sort(collected_, {}, &Continuation::first);
  const u32 first = static_cast<u32>(continuations_.size());
  for (size_t begin = 0, end; begin < collected_.size(); begin = end) {
    std::vector<Expr> rests;
    for (end = begin; end < collected_.size() && collected_[end].first == collected_[begin].first;
         ++end) {
      rests.push_back(collected_[end].rest);
    }
    continuations_.push_back({collected_[begin].first, choice(std::move(rests))});
  }
  found_.insert(static_cast<u64>(start), static_cast<u32>(ranges_.size()));
  ranges_.push_back({first, static_cast<u32>(continuations_.size()) - first});
}

}  // namespace fathom::grammar
