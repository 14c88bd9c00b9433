#include "grammar/regex/regex_arena.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::grammar {
namespace {

// In a grammar of the usual kind a node has two. A state of .*a.{1000} has hundreds.
constexpr i64 kChildrenPerNode = 8;

}  // namespace

RegexArena::RegexArena(const Budget& budget)
    : node_limit_(budget.nodes), emptiness_steps_(budget.emptiness_steps) {
  intern({.kind = RegexKind::kNothing}, {});
  intern({.kind = RegexKind::kEmpty, .nullable = true}, {});
  everything_ = complement(kNothing);
}

Regex RegexArena::intern(Node node, std::span<const Regex> children) {
  // Before the index hears of the node: it must know no more than there are.
  if (std::max(std::ssize(nodes_), std::ssize(children_) / kChildrenPerNode) >= node_limit_) {
    throw BudgetError("the grammar is too large");
  }
  deadline_.check();
  u64 hash = mix_hash(static_cast<u64>(node.kind), u64{node.min} << 32 | node.max);
  hash = mix_hash(hash, node.extra);
  for (const Regex child : children) hash = mix_hash(hash, static_cast<u64>(child));
  const u32 next = static_cast<u32>(nodes_.size());
  const u32 found = interned_.find_or_insert(hash, next, [&](u32 other) {
    const Node& old = nodes_[other];
    return old.kind == node.kind && old.min == node.min && old.max == node.max &&
           old.extra == node.extra && std::ranges::equal(this->children(Regex{other}), children);
  });
  if (found != next) return Regex{found};
  node.first_child = static_cast<u32>(children_.size());
  node.num_children = static_cast<u32>(children.size());
  const auto finite = [&](Regex child) { return is_finite(child); };
  node.least_bytes = least_bytes(node, children);
  node.is_finite = node.kind == RegexKind::kIntersect ? std::ranges::any_of(children, finite)
                                                      : std::ranges::all_of(children, finite);
  if (node.kind == RegexKind::kComplement || node.kind == RegexKind::kMultiple ||
      (node.kind == RegexKind::kRepeat && node.max == kUnbounded)) {
    node.is_finite = false;
  }
  for (const Regex child : children) {
    node.may_be_void |= nodes_[index(child)].may_be_void;
    children_.push_back(child);
  }
  nodes_.push_back(node);
  return Regex{next};
}

u32 RegexArena::least_bytes(const Node& node, std::span<const Regex> children) const {
  constexpr u64 kMost = 1u << 30;
  if (node.nullable) return 0;
  u64 least = node.kind == RegexKind::kAlternate ? kMost : 0;
  for (const Regex child : children) {
    const u64 each = nodes_[index(child)].least_bytes;
    switch (node.kind) {
      case RegexKind::kConcat:
        least += each;
        break;
      case RegexKind::kAlternate:
        least = std::min(least, each);
        break;
      case RegexKind::kIntersect:
        least = std::max(least, each);
        break;
      case RegexKind::kRepeat:
        least = each * node.min;
        break;
      default:
        break;
    }
  }
  return static_cast<u32>(std::clamp<u64>(least, 1, kMost));
}

std::span<const Regex> RegexArena::children(Regex regex) const {
  const Node& node = nodes_[index(regex)];
  return std::span(children_).subspan(node.first_child, node.num_children);
}

Regex RegexArena::bytes(const ByteSet& set) {
  if (set.empty()) return kNothing;
  u64 hash = 0;
  for (const u64 word : set.words()) hash = mix_hash(hash, word);
  const u32 next = static_cast<u32>(sets_.size());
  const u32 at =
      set_index_.find_or_insert(hash, next, [&](u32 other) { return sets_[other] == set; });
  if (at == next) {
    sets_.push_back(set);
    classes_.refine(set);
  }
  return intern({.kind = RegexKind::kBytes, .extra = at}, {});
}

Regex RegexArena::literal(std::string_view text) {
  Regex regex = kEmpty;
  for (size_t i = text.size(); i-- > 0;) {
    regex = concat(bytes(ByteSet::of(static_cast<u8>(text[i]))), regex);
  }
  return regex;
}

Regex RegexArena::concat(std::initializer_list<Regex> parts) {
  Regex regex = kEmpty;
  for (auto part = std::rbegin(parts); part != std::rend(parts); ++part) {
    regex = concat(*part, regex);
  }
  return regex;
}

Regex RegexArena::concat(Regex first, Regex second) {
  if (first == kNothing || second == kNothing) return kNothing;
  if (first == kEmpty) return second;
  if (second == kEmpty) return first;
  std::vector<Regex> heads;  // (a b) c = a (b c)
  while (kind(first) == RegexKind::kConcat) {
    heads.push_back(head(first));
    first = tail(first);
  }
  heads.push_back(first);
  Regex regex = second;
  for (size_t i = heads.size(); i-- > 0;) {
    if (heads[i] == head(regex) && is_star(heads[i])) continue;  // r* r* = r*
    const std::array parts{heads[i], regex};
    regex = intern(
        {.kind = RegexKind::kConcat, .nullable = nullable(parts[0]) && nullable(parts[1])}, parts);
  }
  return regex;
}

bool RegexArena::is_star(Regex regex) const {
  return kind(regex) == RegexKind::kRepeat && min(regex) == 0 && max(regex) == kUnbounded;
}

Regex RegexArena::head(Regex regex) const {
  return kind(regex) == RegexKind::kConcat ? children(regex)[0] : regex;
}

Regex RegexArena::tail(Regex regex) const {
  return kind(regex) == RegexKind::kConcat ? children(regex)[1] : kEmpty;
}

Regex RegexArena::alternate(std::vector<Regex> choices) {
  return alternate_sorted(std::move(choices), 0);
}

Regex RegexArena::alternate_sorted(std::vector<Regex> choices, u32 depth) {
  std::vector<Regex> flat;
  ByteSet set;
  for (const Regex choice : choices) {
    if (choice == everything_) return everything_;
    if (kind(choice) == RegexKind::kBytes) {
      set = set | byte_set(choice);
    } else if (kind(choice) == RegexKind::kAlternate) {
      for (const Regex inner : children(choice)) {
        if (kind(inner) == RegexKind::kBytes) {
          set = set | byte_set(inner);
        } else {
          flat.push_back(inner);
        }
      }
    } else if (choice != kNothing) {
      flat.push_back(choice);
    }
  }
  merge_common_heads(flat, depth);
  if (!set.empty()) flat.push_back(bytes(set));
  std::ranges::sort(flat);
  flat.erase(std::unique(flat.begin(), flat.end()), flat.end());
  if (flat.size() > 1 &&
      std::ranges::any_of(flat, [&](Regex r) { return r != kEmpty && nullable(r); })) {
    std::erase(flat, kEmpty);
  }
  if (flat.empty()) return kNothing;
  if (flat.size() == 1) return flat[0];
  const bool nullable_one = std::ranges::any_of(flat, [&](Regex r) { return nullable(r); });
  return intern({.kind = RegexKind::kAlternate, .nullable = nullable_one}, flat);
}

// ab | ac = a (b | c): what makes a trie of a list of words, so that a long list costs a byte no
// more than a short one.
void RegexArena::merge_common_heads(std::vector<Regex>& choices, u32 depth) {
  constexpr u32 kMaxDepth = 200;  // of the recursion, on words that share a long beginning
  if (choices.size() < 2 || depth > kMaxDepth) return;
  std::ranges::sort(choices, {}, [&](Regex r) { return std::pair(head(r), r); });
  std::vector<Regex> merged;
  for (size_t begin = 0, end; begin < choices.size(); begin = end) {
    const Regex common = head(choices[begin]);
    end = begin + 1;
    while (end < choices.size() && head(choices[end]) == common) ++end;
    if (end - begin == 1 || kind(common) != RegexKind::kBytes) {
      merged.insert(merged.end(), choices.begin() + static_cast<i64>(begin),
                    choices.begin() + static_cast<i64>(end));
      continue;
    }
    std::vector<Regex> tails;
    for (size_t i = begin; i < end; ++i) tails.push_back(tail(choices[i]));
    merged.push_back(concat(common, alternate_sorted(std::move(tails), depth + 1)));
  }
  choices = std::move(merged);
}

Regex RegexArena::intersect(std::vector<Regex> all) {
  std::vector<Regex> flat;
  ByteSet set = ByteSet::all();
  bool has_set = false;
  const auto add = [&](Regex part) {
    if (kind(part) == RegexKind::kBytes) {
      set = set & byte_set(part);
      has_set = true;
    } else if (part != everything_) {
      flat.push_back(part);
    }
  };
  for (const Regex part : all) {
    if (part == kNothing) return kNothing;
    if (kind(part) == RegexKind::kIntersect) {
      const std::span inner = children(part);
      std::ranges::for_each(std::vector<Regex>(inner.begin(), inner.end()), add);
    } else {
      add(part);
    }
  }
  if (has_set) flat.push_back(bytes(set));
  std::ranges::sort(flat);
  flat.erase(std::unique(flat.begin(), flat.end()), flat.end());
  if (std::ranges::count(flat, kNothing) > 0) return kNothing;
  if (flat.empty()) return everything_;
  if (flat.size() == 1) return flat[0];
  const bool nullable_all = std::ranges::all_of(flat, [&](Regex r) { return nullable(r); });
  if (std::ranges::count(flat, kEmpty) > 0) return nullable_all ? kEmpty : kNothing;
  return intern({.kind = RegexKind::kIntersect, .nullable = nullable_all, .may_be_void = true},
                flat);
}

Regex RegexArena::complement(Regex inner) {
  if (kind(inner) == RegexKind::kComplement) return children(inner)[0];
  return intern({.kind = RegexKind::kComplement, .nullable = !nullable(inner), .may_be_void = true},
                std::array{inner});
}

Regex RegexArena::repeat(Regex inner, u32 min, u32 max) {
  FATHOM_CHECK(min <= max, "a repetition of {} to {}", min, max);
  if (max == 0 || inner == kEmpty) return kEmpty;
  if (inner == kNothing) return min == 0 ? kEmpty : kNothing;
  if (nullable(inner)) min = 0;
  if (min == 1 && max == 1) return inner;
  if (inner == everything_) return everything_;
  // (r*)* = (r?)* = r*
  if (kind(inner) == RegexKind::kRepeat && min == 0 && max == kUnbounded && this->min(inner) <= 1) {
    inner = children(inner)[0];
  }
  return intern({.kind = RegexKind::kRepeat, .nullable = min == 0, .min = min, .max = max},
                std::array{inner});
}

bool RegexArena::matches(Regex regex, std::string_view text) {
  for (const char byte : text) regex = derivative(regex, static_cast<u8>(byte));
  return nullable(regex);
}

i64 RegexArena::memory_bytes() const {
  return std::ssize(nodes_) * static_cast<i64>(sizeof(Node)) +
         std::ssize(children_) * static_cast<i64>(sizeof(Regex)) + interned_.memory_bytes() +
         derivatives_.memory_bytes() + void_.memory_bytes();
}

}  // namespace fathom::grammar
