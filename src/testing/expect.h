#pragma once
// Comparisons that say where: the first coordinate outside the tolerance, and the worst one.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "testing/tensor.h"

namespace fathom::testing {

/// |got - want| <= abs + rel * scale, where scale is the largest |want| of the tensor.
struct Tolerance {
  double rel = 0.0;
  double abs = 0.0;
};

inline std::string coordinate(i64 index, const std::vector<i64>& dims) {
  std::string text;
  for (size_t axis = dims.size(); axis-- > 0;) {
    text = std::to_string(index % dims[axis]) + (text.empty() ? "" : ", ") + text;
    index /= dims[axis];
  }
  return "[" + text + "]";
}

template <typename T, typename U>
void expect_close(const Tensor<T>& got, const Tensor<U>& want, Tolerance tolerance,
                  const std::string& what = "") {
  ASSERT_EQ(got.dims(), want.dims()) << what;
  double scale = 0.0;
  for (i64 i = 0; i < want.size(); ++i) {
    scale = std::max(scale, std::abs(static_cast<double>(want[i])));
  }
  const double bound = tolerance.abs + tolerance.rel * scale;
  i64 first = -1, worst = -1;
  double worst_error = bound;
  for (i64 i = 0; i < want.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (error <= bound) continue;  // a NaN fails this
    if (first < 0) first = i;
    if (worst < 0 || !(error <= worst_error)) {
      worst = i;
      worst_error = error;
    }
  }
  EXPECT_LT(first, 0) << what << ": first outside " << bound << " at "
                      << coordinate(std::max<i64>(first, 0), want.dims()) << ": got "
                      << static_cast<double>(got[std::max<i64>(first, 0)]) << ", want "
                      << static_cast<double>(want[std::max<i64>(first, 0)]) << "; worst at "
                      << coordinate(std::max<i64>(worst, 0), want.dims()) << ": error "
                      << worst_error;
}

inline void expect_bitwise_equal(const Tensor<float>& got, const Tensor<float>& want,
                                 const std::string& what = "") {
  ASSERT_EQ(got.dims(), want.dims()) << what;
  for (i64 i = 0; i < want.size(); ++i) {
    ASSERT_EQ(std::bit_cast<u32>(got[i]), std::bit_cast<u32>(want[i]))
        << what << ": first difference at " << coordinate(i, want.dims()) << ": got " << got[i]
        << ", want " << want[i];
  }
}

}  // namespace fathom::testing
