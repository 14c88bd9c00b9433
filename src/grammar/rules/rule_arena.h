#pragma once
// Context-free grammars as values: expressions over regular expressions, with named rules for
// recursion.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grammar/budget.h"
#include "grammar/hash_index.h"
#include "grammar/regex/regex_arena.h"

namespace fathom::grammar {

enum class Expr : u32 {};
enum class Rule : u32 {};

enum class ExprKind : u8 { kNothing, kEmpty, kRegex, kSequence, kChoice, kRepeat, kRule };

/// How an expression may go on: text that `first` matches, then `rest`.
struct Continuation {
  Regex first;
  Expr rest;
};

/// Equal expressions have equal ids. An expression is also what is left to be said: the state of a
/// match is what its unfinished regular expression still asks for and the expression behind it.
/// Throws BudgetError.
class RuleArena {
 public:
  explicit RuleArena(const Budget& budget = {});

  RegexArena& regexes() { return regexes_; }
  const RegexArena& regexes() const { return regexes_; }

  Expr nothing() const { return kNothing; }
  Expr empty() const { return kEmpty; }
  Expr regex(Regex regex);
  Expr literal(std::string_view bytes) { return regex(regexes_.literal(bytes)); }
  Expr sequence(Expr first, Expr second);
  Expr sequence(std::initializer_list<Expr> parts);
  Expr choice(std::vector<Expr> choices) { return choice(std::move(choices), 0); }
  Expr choice(Expr a, Expr b) { return choice(std::vector{a, b}); }
  Expr repeat(Expr inner, u32 min, u32 max);
  Expr optional(Expr inner) { return repeat(inner, 0, 1); }

  /// A rule that may be used before define() says what it is. `name`: for messages.
  Rule declare(std::string name);
  void define(Rule rule, Expr body);
  Expr rule(Rule rule);

  /// Once all rules are defined: finds which can be said at all, and that none begins with itself.
  /// The error names the rule (left recursion).
  Result<void> finish();

  // After finish().
  /// Is there a text that `expr` matches?
  bool can_match(Expr expr) const { return can_match_[index(expr)] != 0; }
  bool nullable(Expr expr) const { return nullable_[index(expr)] != 0; }
  /// Without those that cannot be said to their end.
  std::span<const Continuation> continuations(Expr expr);

  i64 memory_bytes() const;
  void set_node_limit(i64 nodes);
  Deadline& deadline() { return regexes_.deadline(); }

 private:
  struct Node {
    ExprKind kind = ExprKind::kNothing;
    u32 first_child = 0, num_children = 0;  // in children_
    u32 min = 0, max = 0;                   // kRepeat
    u32 extra = 0;                          // kRegex: the Regex; kRule: the Rule
  };
  struct Definition {
    std::string name;
    std::optional<Expr> body;
    bool nullable = false, can_match = false;
  };
  struct Range {
    u32 first = 0, count = 0;
  };
  static constexpr Expr kNothing{0}, kEmpty{1};

  static size_t index(Expr expr) { return static_cast<size_t>(expr); }
  ExprKind kind(Expr expr) const { return nodes_[index(expr)].kind; }
  std::span<const Expr> children(Expr expr) const;
  Expr intern(Node node, std::span<const Expr> children);
  Expr choice(std::vector<Expr> choices, u32 depth);
  void merge_common_heads(std::vector<Expr>& choices, u32 depth);
  bool is_star(Expr expr) const;
  Expr head(Expr expr) const;
  Expr tail(Expr expr) const;
  template <typename Holds, typename OfLeaf>
  bool fact_of(const Node& node, Holds holds, OfLeaf of_leaf) const;
  bool node_is_nullable(const Node& node) const;
  bool node_can_match(const Node& node);
  bool update_facts();
  Result<void> check_left_recursion() const;
  std::vector<Expr> left_corners(Expr expr) const;
  void collect(Expr expr);

  i64 node_limit_;
  RegexArena regexes_;
  std::vector<Node> nodes_;  // children stand before what holds them
  std::vector<Expr> children_;
  std::vector<u8> nullable_, can_match_;  // by expression
  std::vector<Definition> rules_;
  HashMap found_;              // of an expression: index of ranges_
  std::vector<Range> ranges_;  // of continuations_
  std::vector<Continuation> continuations_;
  std::vector<Continuation> collected_;
  struct SetHash {
    size_t operator()(const std::vector<Expr>& set) const {
      u64 hash = set.size();
      for (const Expr expr : set) hash = mix_hash(hash, static_cast<u64>(expr));
      return hash;
    }
  };
  std::unordered_map<std::vector<Expr>, Expr, SetHash> merged_;  // choices, once finished
  HashIndex interned_;
  bool finished_ = false;
};

}  // namespace fathom::grammar
