#pragma once
// Random grammars with a matcher of their own, which knows nothing of arenas and derivatives.
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "grammar/rules/rule_arena.h"

namespace fathom::grammar {

/// An expression as a tree; every rule begins with a byte of its own, so that none is left
/// recursive.
struct TestExpr {
  enum class Kind { kBytes, kSequence, kChoice, kRepeat, kRule };
  Kind kind = Kind::kBytes;
  std::string bytes;  // kBytes: one of these
  std::vector<TestExpr> children;
  u32 min = 0, max = 0;  // kRepeat
  size_t rule = 0;       // kRule
};

class TestGrammar {
 public:
  explicit TestGrammar(u64 seed) : random_(seed, 0) {
    rules_.resize(1 + below(3));
    for (TestExpr& rule : rules_) {
      rule = {.kind = TestExpr::Kind::kSequence, .children = {make_bytes(), make(3)}};
    }
  }

  /// Does rule 0 match the whole of `text`?
  bool matches(const std::string& text) const {
    known_.clear();
    return ends(rules_[0], text, 0).contains(text.size());
  }

  Expr build(RuleArena& arena) const {
    std::vector<Rule> names;
    for (size_t i = 0; i < rules_.size(); ++i)
      names.push_back(arena.declare("r" + std::to_string(i)));
    for (size_t i = 0; i < rules_.size(); ++i)
      arena.define(names[i], build(arena, rules_[i], names));
    return arena.rule(names[0]);
  }

  /// A text of "abc", which may match or not.
  std::string text(size_t length) {
    std::string text;
    for (size_t i = 0; i < length; ++i) text += "abc"[below(3)];
    return text;
  }
  u32 below(u32 limit) { return random_.at(drawn_++)[0] % limit; }

 private:
  TestExpr make_bytes() {
    TestExpr expr;
    for (const char byte : std::string("abc")) {
      if (below(2) == 0) expr.bytes += byte;
    }
    if (expr.bytes.empty()) expr.bytes = "a";
    return expr;
  }

  TestExpr make(i64 depth) {
    const u32 kind = depth == 0 ? 0 : below(6);
    if (kind <= 1) return make_bytes();
    if (kind == 2)
      return {.kind = TestExpr::Kind::kRule, .rule = below(static_cast<u32>(rules_.size()))};
    if (kind == 3) {
      TestExpr repeat{
          .kind = TestExpr::Kind::kRepeat, .children = {make(depth - 1)}, .min = below(3)};
      repeat.max = below(3) == 0 ? kUnbounded : repeat.min + below(3);
      return repeat;
    }
    TestExpr many{.kind = kind == 4 ? TestExpr::Kind::kChoice : TestExpr::Kind::kSequence};
    for (u32 i = 0; i < 2 + below(2); ++i) many.children.push_back(make(depth - 1));
    return many;
  }

  /// Where a match that begins at `begin` may end.
  const std::set<size_t>& ends(const TestExpr& expr, const std::string& text, size_t begin) const {
    const auto known = known_.find({&expr, begin});
    if (known != known_.end()) return known->second;
    std::set<size_t> found = find_ends(expr, text, begin);
    return known_[{&expr, begin}] = std::move(found);
  }
  std::set<size_t> find_ends(const TestExpr& expr, const std::string& text, size_t begin) const {
    std::set<size_t> found;
    switch (expr.kind) {
      case TestExpr::Kind::kBytes:
        if (begin < text.size() && expr.bytes.find(text[begin]) != std::string::npos)
          found.insert(begin + 1);
        return found;
      case TestExpr::Kind::kRule:
        return ends(rules_[expr.rule], text, begin);
      case TestExpr::Kind::kChoice:
        for (const TestExpr& child : expr.children) insert(ends(child, text, begin), found);
        return found;
      case TestExpr::Kind::kSequence:
        found.insert(begin);
        for (const TestExpr& child : expr.children) found = after(child, text, found);
        return found;
      case TestExpr::Kind::kRepeat:
        break;
    }
    std::set<size_t> reached{begin};
    if (expr.min == 0) found = reached;
    const size_t most = std::min<size_t>(expr.max, expr.min + text.size() + 1);
    for (size_t round = 1; round <= most && !reached.empty(); ++round) {
      reached = after(expr.children[0], text, reached);
      if (round >= expr.min) found.insert(reached.begin(), reached.end());
    }
    return found;
  }
  static void insert(const std::set<size_t>& more, std::set<size_t>& all) {
    all.insert(more.begin(), more.end());
  }
  std::set<size_t> after(const TestExpr& expr, const std::string& text,
                         const std::set<size_t>& begins) const {
    std::set<size_t> found;
    for (const size_t begin : begins) insert(ends(expr, text, begin), found);
    return found;
  }

  static Expr build(RuleArena& arena, const TestExpr& expr, const std::vector<Rule>& names) {
    std::vector<Expr> children;
    for (const TestExpr& child : expr.children) children.push_back(build(arena, child, names));
    switch (expr.kind) {
      case TestExpr::Kind::kBytes: {
        ByteSet set;
        for (const char byte : expr.bytes) set = set | ByteSet::of(static_cast<u8>(byte));
        return arena.regex(arena.regexes().bytes(set));
      }
      case TestExpr::Kind::kRule:
        return arena.rule(names[expr.rule]);
      case TestExpr::Kind::kChoice:
        return arena.choice(children);
      case TestExpr::Kind::kRepeat:
        return arena.repeat(children[0], expr.min, expr.max);
      case TestExpr::Kind::kSequence:
        break;
    }
    Expr sequence = arena.empty();
    for (size_t i = children.size(); i-- > 0;) sequence = arena.sequence(children[i], sequence);
    return sequence;
  }

  Philox random_;
  u64 drawn_ = 0;
  mutable std::map<std::pair<const TestExpr*, size_t>, std::set<size_t>> known_;  // of one text
  std::vector<TestExpr> rules_;
};

}  // namespace fathom::grammar
