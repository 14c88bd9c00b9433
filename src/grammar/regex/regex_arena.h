#pragma once
// Regular expressions over bytes as values: equal expressions have equal ids.
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "grammar/budget.h"
#include "grammar/deadline.h"
#include "grammar/hash_index.h"
#include "grammar/regex/byte_classes.h"
#include "grammar/regex/byte_set.h"

namespace fathom::grammar {

enum class Regex : u32 {};

inline constexpr u32 kUnbounded = std::numeric_limits<u32>::max();

enum class RegexKind : u8 {
  kNothing,     // matches no text
  kEmpty,       // the empty text
  kBytes,       // one byte of a set
  kConcat,      // first, then second; first is no kConcat
  kAlternate,   // any of the children
  kIntersect,   // all of the children
  kComplement,  // every text that the child does not match
  kRepeat,      // min to max times the child
  kMultiple,    // decimal digits that bring a remainder to 0, see MultipleOf
};

/// What is still to come of a decimal number that shall be a multiple of modulus * 10^-places: the
/// rest of its integer part and perhaps a point and a fraction. Which digits may begin a number is
/// not its business.
struct MultipleOf {
  enum class Next : u8 { kInteger, kFraction, kFractionOrEnd };

  u64 modulus = 1;    // 1 to 10^18
  u64 remainder = 0;  // of the digits before, read as one integer
  u32 places = 0;  // of the fraction still to come that count; behind them only zeros. At most 18
  u32 min_digits = 0, max_digits = kUnbounded;  // of the integer part still to come
  Next next = Next::kInteger;

  bool operator==(const MultipleOf&) const = default;
};

/// Makes expressions and takes their derivatives (Brzozowski 1964: d_b(r) matches w just where r
/// matches bw). Every function that makes one simplifies it, so that what a text leads to is one of
/// few expressions, which serve as the states of a lazily built automaton. Throws BudgetError.
class RegexArena {
 public:
  explicit RegexArena(const Budget& budget = {});

  Regex nothing() const { return kNothing; }
  Regex empty() const { return kEmpty; }
  Regex everything() const { return everything_; }  // any bytes
  Regex bytes(const ByteSet& set);
  Regex literal(std::string_view bytes);
  Regex concat(Regex first, Regex second);
  Regex concat(std::initializer_list<Regex> parts);
  Regex alternate(std::vector<Regex> choices);
  Regex alternate(Regex a, Regex b) { return alternate(std::vector{a, b}); }
  Regex intersect(std::vector<Regex> all);
  Regex intersect(Regex a, Regex b) { return intersect(std::vector{a, b}); }
  Regex complement(Regex inner);
  Regex subtract(Regex from, Regex what) { return intersect(from, complement(what)); }
  Regex repeat(Regex inner, u32 min, u32 max);
  Regex star(Regex inner) { return repeat(inner, 0, kUnbounded); }
  Regex optional(Regex inner) { return repeat(inner, 0, 1); }
  /// nothing() where no digits bring the remainder to 0.
  Regex multiple_of(const MultipleOf& multiple);

  /// Does it match the empty text?
  bool nullable(Regex regex) const { return nodes_[index(regex)].nullable; }
  /// What may follow `byte`. May be an expression that matches nothing without being nothing():
  /// see live_derivative().
  Regex derivative(Regex regex, u8 byte);
  /// As derivative(), but nothing() wherever no text can follow.
  Regex live_derivative(Regex regex, u8 byte);
  /// False where its form tells that it matches something.
  bool may_match_nothing(Regex regex) const { return nodes_[index(regex)].may_be_void; }
  /// True only where its texts are finitely many.
  bool is_finite(Regex regex) const { return nodes_[index(regex)].is_finite; }
  /// Does it match no text at all?
  bool matches_nothing(Regex regex);
  /// Is there a text that both match?
  bool overlap(Regex a, Regex b) { return !matches_nothing(intersect(a, b)); }
  /// Does the whole of `text` match?
  bool matches(Regex regex, std::string_view text);

  /// Of all expressions made until now.
  const ByteClasses& classes() const { return classes_; }
  i64 num_nodes() const { return std::ssize(nodes_); }
  i64 memory_bytes() const;
  void set_node_limit(i64 nodes) { node_limit_ = nodes; }
  Deadline& deadline() { return deadline_; }

  // To look at one.
  RegexKind kind(Regex regex) const { return nodes_[index(regex)].kind; }
  std::span<const Regex> children(Regex regex) const;
  const ByteSet& byte_set(Regex regex) const {
    return sets_[nodes_[index(regex)].extra];
  }                                                                // kBytes
  u32 min(Regex regex) const { return nodes_[index(regex)].min; }  // kRepeat
  u32 max(Regex regex) const { return nodes_[index(regex)].max; }  // kRepeat

 private:
  struct Node {
    RegexKind kind = RegexKind::kNothing;
    bool nullable = false;
    bool may_be_void = false;  // an intersection or complement inside: may match nothing
    bool is_finite = false;
    u32 least_bytes = 0;                    // no shorter text matches
    u32 first_child = 0, num_children = 0;  // in children_
    u32 min = 0, max = 0;                   // kRepeat
    u32 extra = 0;                          // kBytes: index of sets_; kMultiple: of multiples_
  };
  static constexpr Regex kNothing{0}, kEmpty{1};

  static size_t index(Regex regex) { return static_cast<size_t>(regex); }
  Regex intern(Node node, std::span<const Regex> children);
  Regex alternate_sorted(std::vector<Regex> choices, u32 depth);
  void merge_common_heads(std::vector<Regex>& choices, u32 depth);
  bool is_star(Regex regex) const;
  Regex head(Regex regex) const;
  Regex tail(Regex regex) const;
  Regex compute_derivative(Regex regex, u8 byte);
  Regex derivative_of_concat(Regex regex, u8 byte);
  Regex derivative_of_multiple(MultipleOf multiple, u8 byte);
  Regex derivative_of_repeat(const Node& node, Regex inner, u8 byte);
  std::optional<bool> find_match(Regex regex, i64 max_steps);
  std::optional<bool> find_shortest_match(Regex regex, i64 max_steps);
  u32 least_bytes(const Node& node, std::span<const Regex> children) const;
  bool some_pair_matches_nothing(Regex regex);
  std::optional<Regex> next_to_match(Regex regex, u32 number);

  i64 node_limit_;
  Deadline deadline_;
  i64 emptiness_steps_;
  std::vector<Node> nodes_;
  std::vector<Regex> children_;
  std::vector<ByteSet> sets_;
  std::vector<MultipleOf> multiples_;
  HashIndex interned_, set_index_, multiple_index_;  // nodes_, sets_ and multiples_ by content
  HashMap derivatives_;                              // of an expression and a byte class
  HashMap void_;  // of an expression: 1 if it matches nothing, 0 if something; else unknown
  ByteClasses classes_;
  Regex everything_{};
};

}  // namespace fathom::grammar
