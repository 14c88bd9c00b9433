#include "plan/units/quantity.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace fathom::plan {
namespace {

template <typename A, typename B>
concept Addable = requires(A a, B b) {
  a + b;
};

TEST(QuantityTest, UnitsAreThoseOfProductsAndQuotients) {
  static_assert(std::is_same_v<decltype(Bytes() / BytesPerSecond()), Seconds>);
  static_assert(std::is_same_v<decltype(FlopsPerSecond() * Seconds()), Flops>);
  static_assert(std::is_same_v<decltype(BytesPerToken() * Tokens()), Bytes>);
  static_assert(std::is_same_v<decltype(Seconds() / Seconds()), double>);
  static_assert(Addable<Seconds, Seconds> && !Addable<Seconds, Bytes> && !Addable<Tokens, double>);
  static_assert(!std::is_convertible_v<double, Seconds> && !std::is_convertible_v<Seconds, double>);
  EXPECT_EQ((Bytes(100.0) / BytesPerSecond(50.0)).value, 2.0);
}

}  // namespace
}  // namespace fathom::plan
