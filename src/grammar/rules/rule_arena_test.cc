#include "grammar/rules/rule_arena.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fathom::grammar {
namespace {

TEST(RuleArena, EqualExpressionsAreOne) {
  RuleArena rules;
  const Expr a = rules.literal("a"), b = rules.literal("b"), c = rules.literal("c");
  EXPECT_EQ(rules.sequence(rules.sequence(a, b), c), rules.sequence(a, rules.sequence(b, c)));
  EXPECT_EQ(rules.choice({a, rules.nothing(), a}), a);
  EXPECT_EQ(rules.choice(a, rules.choice(b, c)), rules.choice(c, rules.choice(b, a)));
  EXPECT_EQ(rules.sequence(a, rules.nothing()), rules.nothing());
  EXPECT_EQ(rules.repeat(rules.nothing(), 0, 3), rules.empty());
  EXPECT_EQ(rules.repeat(rules.nothing(), 1, 3), rules.nothing());
}

TEST(RuleArena, ARuleThatNeverEndsMatchesNothing) {
  RuleArena rules;
  const Rule forever = rules.declare("forever"), list = rules.declare("list");
  rules.define(forever, rules.sequence(rules.literal("a"), rules.rule(forever)));
  rules.define(
      list, rules.sequence(rules.literal("("),
                           rules.sequence(rules.optional(rules.rule(list)), rules.literal(")"))));
  const Expr either = rules.choice(rules.rule(forever), rules.rule(list));
  ASSERT_TRUE(rules.finish());
  EXPECT_FALSE(rules.can_match(rules.rule(forever)));
  EXPECT_TRUE(rules.can_match(either));
  // What cannot be said to its end is no way to go on.
  ASSERT_EQ(rules.continuations(either).size(), 1u);
  EXPECT_EQ(rules.continuations(either)[0].first, rules.regexes().literal("("));
}

TEST(RuleArena, LeftRecursionIsRefusedByName) {
  RuleArena rules;
  const Rule sum = rules.declare("sum"), term = rules.declare("term");
  // Hidden: the optional sign in front may be empty.
  rules.define(sum, rules.sequence({rules.optional(rules.literal("-")), rules.rule(term),
                                    rules.literal("+")}));
  rules.define(term, rules.choice(rules.rule(sum), rules.literal("1")));
  const auto finished = rules.finish();
  ASSERT_FALSE(finished);
  EXPECT_THAT(finished.error().message(), ::testing::HasSubstr("left recursion"));
  EXPECT_THAT(finished.error().message(),
              testing::AnyOf(::testing::HasSubstr("\"sum\""), ::testing::HasSubstr("\"term\"")));
}

TEST(RuleArena, WaysThatBeginAlikeAreOneWay) {
  RuleArena rules;
  const Expr a = rules.literal("a");
  const Expr ways =
      rules.choice(rules.sequence(a, rules.literal("b")), rules.sequence(a, rules.literal("c")));
  ASSERT_TRUE(rules.finish());
  ASSERT_EQ(rules.continuations(ways).size(), 1u);
  const auto rest = rules.continuations(rules.continuations(ways)[0].rest);
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].first,
            rules.regexes().alternate(rules.regexes().literal("b"), rules.regexes().literal("c")));
}

TEST(RuleArena, TooManyExpressionsAreRefused) {
  Budget budget;
  budget.nodes = 100;
  RuleArena rules(budget);
  Expr expr = rules.empty();
  EXPECT_THROW(for (u32 i = 0; i < 100; ++i) expr =
                   rules.sequence(rules.repeat(rules.literal("a"), 0, i + 2), expr),
               BudgetError);
}

}  // namespace
}  // namespace fathom::grammar
