// What is known about expressions: whether they match the empty text, or any text at all.
#include <algorithm>

#include "base/check.h"
#include "grammar/rules/rule_arena.h"

namespace fathom::grammar {

/// A fact that holds for a sequence if it does for all parts, for a choice if for any, and for a
/// repetition that need not happen. `holds`: of a child; `of_leaf`: of a regular expression or
/// rule.
template <typename Holds, typename OfLeaf>
bool RuleArena::fact_of(const Node& node, Holds holds, OfLeaf of_leaf) const {
  const std::span parts = std::span(children_).subspan(node.first_child, node.num_children);
  switch (node.kind) {
    case ExprKind::kNothing:
      return false;
    case ExprKind::kEmpty:
      return true;
    case ExprKind::kRegex:
    case ExprKind::kRule:
      return of_leaf();
    case ExprKind::kSequence:
      return std::ranges::all_of(parts, holds);
    case ExprKind::kChoice:
      return std::ranges::any_of(parts, holds);
    case ExprKind::kRepeat:
      return node.min == 0 || holds(parts[0]);
  }
  return false;
}

bool RuleArena::node_is_nullable(const Node& node) const {
  return fact_of(
      node, [&](Expr part) { return nullable(part); },
      [&] {
        return node.kind == ExprKind::kRegex ? regexes_.nullable(Regex{node.extra})
                                             : rules_[node.extra].nullable;
      });
}

bool RuleArena::node_can_match(const Node& node) {
  return fact_of(
      node, [&](Expr part) { return can_match(part); },
      [&] {
        return node.kind == ExprKind::kRegex ? !regexes_.matches_nothing(Regex{node.extra})
                                             : rules_[node.extra].can_match;
      });
}

// One pass from the leaves upward; true if anything became known.
bool RuleArena::update_facts() {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    regexes_.deadline().check();
    const Node node = nodes_[i];
    if (nullable_[i] == 0) nullable_[i] = node_is_nullable(node) ? 1 : 0;
    if (can_match_[i] == 0) can_match_[i] = node_can_match(node) ? 1 : 0;
  }
  bool changed = false;
  for (Definition& rule : rules_) {
    const bool is_nullable = nullable(*rule.body), can = can_match(*rule.body);
    changed |= is_nullable != rule.nullable || can != rule.can_match;
    rule.nullable = is_nullable;
    rule.can_match = can;
  }
  return changed;
}

// The least fixed point: a rule matches something if that can be derived in finitely many steps.
Result<void> RuleArena::finish() {
  constexpr i64 kMaxNodeVisits = 100'000'000;
  for (const Definition& rule : rules_) {
    FATHOM_CHECK(rule.body.has_value(), "the rule \"{}\" was declared but not defined", rule.name);
  }
  i64 visits = 0;
  while (update_facts()) {
    visits += std::ssize(nodes_);
    if (visits > kMaxNodeVisits)
      throw BudgetError("the grammar's rules refer to each other too deeply");
  }
  if (auto checked = check_left_recursion(); !checked) return checked;
  finished_ = true;
  return {};
}

/// The expressions with which `expr` can begin.
std::vector<Expr> RuleArena::left_corners(Expr expr) const {
  const Node& node = nodes_[index(expr)];
  if (node.kind == ExprKind::kRule) return {*rules_[node.extra].body};
  const std::span parts = children(expr);
  if (node.kind == ExprKind::kSequence && !nullable(parts[0])) return {parts[0]};
  return {parts.begin(), parts.end()};
}

Result<void> RuleArena::check_left_recursion() const {
  enum class Colour : u8 { kNew, kOpen, kDone };
  struct Visit {
    Expr expr;
    std::vector<Expr> corners;
    size_t next = 0;
  };
  std::vector<Colour> colours(nodes_.size(), Colour::kNew);
  for (const Definition& rule : rules_) {
    if (colours[index(*rule.body)] != Colour::kNew) continue;
    std::vector<Visit> path{{*rule.body, left_corners(*rule.body)}};
    colours[index(*rule.body)] = Colour::kOpen;
    while (!path.empty()) {
      Visit& top = path.back();
      if (top.next == top.corners.size()) {
        colours[index(top.expr)] = Colour::kDone;
        path.pop_back();
        continue;
      }
      const Expr corner = top.corners[top.next++];
      if (colours[index(corner)] == Colour::kOpen) {
        return unsupported("the rule \"" + rule.name +
                           "\" can begin with itself (left recursion): write it as a repetition");
      }
      if (colours[index(corner)] == Colour::kDone) continue;
      colours[index(corner)] = Colour::kOpen;
      path.push_back({corner, left_corners(corner)});
    }
  }
  return {};
}

}  // namespace fathom::grammar
