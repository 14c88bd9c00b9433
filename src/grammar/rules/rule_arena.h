#pragma once
// Context-free grammars as values: expressions over regular expressions, with named rules for
// recursion.
#include <optional>
#include <span>
#include <string>
#include <string_view>
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
  Expr choice(std::vector<Expr> choices);
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
  bool can_match(Expr expr);
  bool nullable(Expr expr);
  /// Without those that cannot be said to their end.
  std::span<const Continuation> continuations(Expr expr);

  i64 memory_bytes() const;
  void set_node_limit(i64 nodes);

 private:
  struct Node {
    ExprKind kind = ExprKind::kNothing;
    u32 first_child = 0, num_children = 0;  // in children_
    u32 min = 0, max = 0;                   // kRepeat
    u32 extra = 0;                          // kRegex: the Regex; kRule: the Rule
  };
  struct Facts {  // about an expression, once asked for
    enum class Known : u8 { kNo, kYes, kUnknown };
    Known nullable = Known::kUnknown, can_match = Known::kUnknown;
    bool has_continuations = false;
    u32 first_continuation = 0, num_continuations = 0;  // in continuations_
  };
  struct Definition {
    std::string name;
    std::optional<Expr> body;
    bool nullable = false, can_match = false;
  };
  static constexpr Expr kNothing{0}, kEmpty{1};

  static size_t index(Expr expr) { return static_cast<size_t>(expr); }
  Expr intern(Node node, std::span<const Expr> children);
  std::span<const Expr> children(Expr expr) const;
  bool compute_nullable(Expr expr);
  bool compute_can_match(Expr expr);
  void find_facts_of_rules();
  Result<void> check_left_recursion();
  void collect(Expr expr, Expr rest, std::vector<Continuation>& found);

  i64 node_limit_;
  RegexArena regexes_;
  std::vector<Node> nodes_;
  std::vector<Expr> children_;
  std::vector<Facts> facts_;  // by expression
  std::vector<Definition> rules_;
  std::vector<Continuation> continuations_;
  HashIndex interned_;
  bool finished_ = false;
};

}  // namespace fathom::grammar
