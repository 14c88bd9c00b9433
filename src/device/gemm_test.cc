#include "device/gemm.h"

#include <gtest/gtest.h>

#include <array>

#include "base/check.h"

namespace fathom::device {
namespace {

TEST(PackSource, TheLeftOperandIsTheSameButForItsSide) {
  std::array<float, 6> numbers = {};
  const std::array<i32, 2> ids = {1, 0};
  const PackSource source(View<const float, 2>(numbers.data(), {2, 3}), /*transposed=*/true, ids);
  const PackSource left = source.as_left();
  EXPECT_FALSE(source.left);
  EXPECT_TRUE(left.left);
  EXPECT_TRUE(left.transpose);
  EXPECT_EQ(left.row_ids.data(), ids.data());
  EXPECT_EQ(left.x.rows, 2);
  EXPECT_EQ(left.x.cols, 3);
}

TEST(PackSource, RowsMustBeContiguous) {
  std::array<float, 6> numbers = {};
  const View<const float, 2> columns(numbers.data(), {3, 2}, {1, 3});
  EXPECT_THROW(PackSource(columns, /*transposed=*/false), InternalError);
}

}  // namespace
}  // namespace fathom::device
