#include "serve/accounts/money.h"

#include <gtest/gtest.h>

namespace fathom::serve {
namespace {

TEST(MoneyTest, AmountsAreWholeBillionths) {
  EXPECT_EQ(to_nano(0.27), 270'000'000);
  EXPECT_EQ(to_nano(1e-9), 1);
  EXPECT_EQ(money_text(0), "0.00");
  EXPECT_EQ(money_text(270'000'000), "0.27");
  EXPECT_EQ(money_text(1'000'000'001), "1.000000001");
  EXPECT_EQ(money_text(12'500'000'000), "12.50");
  EXPECT_EQ(money_text(-1), "-0.000000001");
}

TEST(MoneyTest, CostIsThePriceOfEachKindOfToken) {
  const Prices prices = {.input = to_nano(0.27), .cached = to_nano(0.07), .output = to_nano(1.10)};
  // 1,000 prompt tokens, 400 of them cached, 50 generated:
  // 600 x 270 + 400 x 70 + 50 x 1100 billionths.
  EXPECT_EQ(cost_of(prices, 1000, 400, 50), 162'000 + 28'000 + 55'000);
  EXPECT_EQ(cost_of({.input = 1}, 499'999, 0, 0), 0) << "to the nearest billionth";
  EXPECT_EQ(cost_of({.input = 1}, 500'000, 0, 0), 1);
  EXPECT_EQ(cost_of({.output = to_nano(1e6)}, 0, 0, 4'000'000'000), to_nano(1e6) * 4000)
      << "products beyond 64 bits";
}

TEST(MoneyTest, AKeysPriceStandsAboveAModelsAndThatAboveAll) {
  PriceTables tables;
  tables["all"] = {.input = 1};
  tables["small"] = {.model = "small-*", .input = 2};
  tables["alice"] = {.key = "alice", .input = 3};
  tables["alice-small"] = {.model = "small-2", .key = "alice", .input = 4};
  EXPECT_EQ(prices_for(tables, "large", "bob").input, to_nano(1));
  EXPECT_EQ(prices_for(tables, "small-2", "bob").input, to_nano(2));
  EXPECT_EQ(prices_for(tables, "large", "alice").input, to_nano(3));
  EXPECT_EQ(prices_for(tables, "small-3", "alice").input, to_nano(3));
  EXPECT_EQ(prices_for(tables, "small-2", "alice").input, to_nano(4));
  EXPECT_EQ(prices_for({}, "small-2", "alice"), Prices());
}

TEST(MoneyTest, PatternsMatchWholeNamesOrTheirBeginning) {
  EXPECT_TRUE(matches("*", "anything"));
  EXPECT_TRUE(matches("deep*", "deepseek"));
  EXPECT_FALSE(matches("deep", "deepseek"));
  EXPECT_FALSE(matches("deep*", "dee"));
}

}  // namespace
}  // namespace fathom::serve
