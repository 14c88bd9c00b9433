#include "grammar/rules/rule_arena.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::grammar {

RuleArena::RuleArena(const Budget& budget) : node_limit_(budget.nodes), regexes_(budget) {
  intern({.kind = ExprKind::kNothing}, {});
  intern({.kind = ExprKind::kEmpty}, {});
}

std::span<const Expr> RuleArena::children(Expr expr) const {
  const Node& node = nodes_[index(expr)];
  return std::span(children_).subspan(node.first_child, node.num_children);
}

Expr RuleArena::intern(Node node, std::span<const Expr> children) {
  // Before the index hears of the node: it must know no more than there are.
  if (std::ssize(nodes_) >= node_limit_) throw BudgetError("the grammar is too large");
  regexes_.deadline().check();
  u64 hash = mix_hash(static_cast<u64>(node.kind), u64{node.min} << 32 | node.max);
  hash = mix_hash(hash, node.extra);
  for (const Expr child : children) hash = mix_hash(hash, static_cast<u64>(child));
  const u32 next = static_cast<u32>(nodes_.size());
  const u32 found = interned_.find_or_insert(hash, next, [&](u32 other) {
    const Node& old = nodes_[other];
    return old.kind == node.kind && old.min == node.min && old.max == node.max &&
           old.extra == node.extra && std::ranges::equal(this->children(Expr{other}), children);
  });
  if (found != next) return Expr{found};
  node.first_child = static_cast<u32>(children_.size());
  node.num_children = static_cast<u32>(children.size());
  children_.insert(children_.end(), children.begin(), children.end());
  nodes_.push_back(node);
  nullable_.push_back(node_is_nullable(node) ? 1 : 0);
  can_match_.push_back(finished_ && node_can_match(node) ? 1 : 0);
  return Expr{next};
}

Expr RuleArena::regex(Regex regex) {
  if (regex == regexes_.nothing()) return kNothing;
  if (regex == regexes_.empty()) return kEmpty;
  return intern({.kind = ExprKind::kRegex, .extra = static_cast<u32>(regex)}, {});
}

Expr RuleArena::sequence(std::initializer_list<Expr> parts) {
  Expr expr = kEmpty;
  for (auto part = std::rbegin(parts); part != std::rend(parts); ++part)
    expr = sequence(*part, expr);
  return expr;
}

Expr RuleArena::sequence(Expr first, Expr second) {
  if (first == kNothing || second == kNothing) return kNothing;
  if (first == kEmpty) return second;
  if (second == kEmpty) return first;
  std::vector<Expr> heads;  // (a b) c = a (b c)
  while (kind(first) == ExprKind::kSequence) {
    heads.push_back(children(first)[0]);
    first = children(first)[1];
  }
  heads.push_back(first);
  Expr expr = second;
  for (size_t i = heads.size(); i-- > 0;) {
    if (heads[i] == head(expr) && is_star(heads[i])) continue;  // r* r* = r*
    expr = intern({.kind = ExprKind::kSequence}, std::array{heads[i], expr});
  }
  return expr;
}

Expr RuleArena::choice(std::vector<Expr> choices, u32 depth) {
  std::vector<Expr> flat;
  std::vector<Regex> regular;  // made one expression, while the grammar is being built
  for (const Expr choice : choices) {
    const std::span inner = children(choice);
    const bool nested = kind(choice) == ExprKind::kChoice;
    for (const Expr part : nested ? inner : std::span(&choice, 1)) {
      if (kind(part) == ExprKind::kRegex && !finished_) {
        regular.push_back(Regex{nodes_[index(part)].extra});
      } else if (part != kNothing) {
        flat.push_back(part);
      }
    }
  }
  if (!regular.empty()) flat.push_back(regex(regexes_.alternate(std::move(regular))));
  std::ranges::sort(flat);
  flat.erase(std::unique(flat.begin(), flat.end()), flat.end());
  if (flat.empty()) return kNothing;
  if (flat.size() == 1) return flat[0];
  if (const auto known = merged_.find(flat); known != merged_.end()) return known->second;
  std::vector<Expr> merged = flat;
  merge_common_heads(merged, depth);
  std::ranges::sort(merged);
  const Expr result = merged.size() == 1 ? merged[0] : intern({.kind = ExprKind::kChoice}, merged);
  // Without this, stacks that share their bottoms would be merged again along every way down.
  if (finished_) {
    if (std::ssize(merged_) >= node_limit_) throw BudgetError("the grammar is too ambiguous");
    merged_.emplace(std::move(flat), result);
  }
  return result;
}

bool RuleArena::is_star(Expr expr) const {
  const Node& node = nodes_[index(expr)];
  return node.kind == ExprKind::kRepeat && node.min == 0 && node.max == kUnbounded;
}

Expr RuleArena::head(Expr expr) const {
  return kind(expr) == ExprKind::kSequence ? children(expr)[0] : expr;
}

Expr RuleArena::tail(Expr expr) const {
  return kind(expr) == ExprKind::kSequence ? children(expr)[1] : kEmpty;
}

// ab | ac = a (b | c). What is left to be said is a stack; an ambiguous text has many, which share
// their tops in this form and their bottoms by being interned.
void RuleArena::merge_common_heads(std::vector<Expr>& choices, u32 depth) {
  constexpr u32 kMaxDepth = 200;  // of the recursion, on stacks with long common tops
  if (choices.size() < 2 || depth > kMaxDepth) return;
  std::ranges::sort(choices, {}, [&](Expr expr) { return std::pair(head(expr), expr); });
  size_t kept = 0;
  for (size_t begin = 0, end; begin < choices.size(); begin = end) {
    const Expr common = head(choices[begin]);
    std::vector<Expr> tails;
    for (end = begin; end < choices.size() && head(choices[end]) == common; ++end) {
      tails.push_back(tail(choices[end]));
    }
    choices[kept++] = tails.size() == 1 || common == kEmpty
                          ? choices[begin]
                          : sequence(common, choice(std::move(tails), depth + 1));
  }
  choices.resize(kept);
}

Expr RuleArena::repeat(Expr inner, u32 min, u32 max) {
  FATHOM_CHECK(min <= max, "a repetition of {} to {}", min, max);
  if (max == 0 || inner == kEmpty) return kEmpty;
  if (inner == kNothing) return min == 0 ? kEmpty : kNothing;
  if (min == 1 && max == 1) return inner;
  return intern({.kind = ExprKind::kRepeat, .min = min, .max = max}, std::array{inner});
}

Rule RuleArena::declare(std::string name) {
  rules_.push_back({.name = std::move(name), .body = std::nullopt});
  return Rule{static_cast<u32>(rules_.size() - 1)};
}

void RuleArena::define(Rule rule, Expr body) {
  FATHOM_CHECK(!finished_, "a rule defined after finish()");
  rules_[static_cast<size_t>(rule)].body = body;
}

Expr RuleArena::rule(Rule rule) {
  return intern({.kind = ExprKind::kRule, .extra = static_cast<u32>(rule)}, {});
}

void RuleArena::set_node_limit(i64 nodes) {
  node_limit_ = nodes;
  regexes_.set_node_limit(nodes);
}

i64 RuleArena::memory_bytes() const {
  return regexes_.memory_bytes() + std::ssize(nodes_) * static_cast<i64>(sizeof(Node) + 2) +
         std::ssize(children_) * static_cast<i64>(sizeof(Expr)) +
         std::ssize(continuations_) * static_cast<i64>(sizeof(Continuation)) +
         interned_.memory_bytes() + std::ssize(merged_) * 96 + found_.memory_bytes();
}

}  // namespace fathom::grammar
