#pragma once
// The definition of packing, in plain loops over tensor/bf16.h and tensor/fp8.h, for tests and
// benches.
#include <algorithm>
#include <cmath>
#include <string>

#include "base/checked_math.h"
#include "kernels/ref/gemm.h"
#include "ops/gemm/gemm.h"
#include "tensor/bf16.h"
#include "tensor/fp8.h"
#include "testing/tensor.h"

namespace fathom::ops {

using testing::Tensor;

inline constexpr GemmRounding kF32{GemmFormat::kF32};
inline constexpr GemmRounding kBf16{GemmFormat::kBf16};

/// An operand [rows, k] after rounding: numbers before their scale, and scales [rows, ceil(k/128)].
struct RoundedOperand {
  Tensor<float> numbers;
  Tensor<float> scale;

  Tensor<double> values() const {
    auto product = numbers.to<double>();
    const i64 k = numbers.dim(1);
    for (i64 i = 0; i < product.size() && scale.size() > 0; ++i) {
      product[i] *= static_cast<double>(scale[i / k * scale.dim(1) + i % k / kFp8Block]);
    }
    return product;
  }
};

inline float round_number(float x, GemmFormat format) {
  switch (format) {
    case GemmFormat::kF32:
      return x;
    case GemmFormat::kBf16:
      return static_cast<float>(Bf16(x));
    case GemmFormat::kE4m3:
      return static_cast<float>(Fp8E4M3(x));
    case GemmFormat::kE5m2:
      return static_cast<float>(Fp8E5M2(x));
  }
  return 0.0f;
}

/// The largest |x| of each 1 x 128 tile.
inline Tensor<float> tile_amax(const Tensor<float>& x) {
  const i64 k = x.dim(1), blocks = ceil_div(k, kFp8Block);
  Tensor<float> amax({x.dim(0), blocks});
  for (i64 i = 0; i < x.size(); ++i) {
    float& tile = amax[i / k * blocks + i % k / kFp8Block];
    tile = std::fmax(tile, std::abs(x[i]));
  }
  return amax;
}

/// The largest |x| over the numbers that share the scale of [row, block].
inline float shared_amax(const Tensor<float>& tiles, i64 row, i64 block,
                         const GemmRounding& rounding) {
  if (rounding.static_amax > 0.0f) return rounding.static_amax;
  const i64 blocks = tiles.dim(1);
  const bool whole_k =
      rounding.scaling == GemmScaling::kRow || rounding.scaling == GemmScaling::kTensor;
  const bool shares_rows =
      rounding.scaling == GemmScaling::kBlock || rounding.scaling == GemmScaling::kTensor;
  float amax = 0.0f;
  for (i64 i = 0; i < tiles.size(); ++i) {
    const i64 r = i / blocks;
    const bool same_rows =
        shares_rows ? rounding.scaling == GemmScaling::kTensor || r / kFp8Block == row / kFp8Block
                    : r == row;
    if (same_rows && (whole_k || i % blocks == block)) amax = std::fmax(amax, tiles[i]);
  }
  return amax;
}

/// x [rows, k] as `rounding` asks.
inline RoundedOperand round_operand(const Tensor<float>& x, const GemmRounding& rounding) {
  const i64 rows = x.dim(0), k = x.dim(1), blocks = ceil_div(k, kFp8Block);
  RoundedOperand result{Tensor<float>({rows, k}), Tensor<float>()};
  if (rounding.is_fp8()) {
    result.scale = Tensor<float>({rows, blocks});
    const float largest = rounding.format == GemmFormat::kE4m3 ? kE4m3Max : kE5m2Max;
    const Tensor<float> tiles = tile_amax(x);
    for (i64 i = 0; i < result.scale.size(); ++i) {
      const float amax = shared_amax(tiles, i / blocks, i % blocks, rounding);
      const float scale = std::max(amax, kFp8AmaxFloor) / largest;
      result.scale[i] = rounding.power_of_2_scales ? ceil_to_power_of_two(scale) : scale;
    }
  }
  for (i64 i = 0; i < x.size(); ++i) {
    const float divisor =
        rounding.is_fp8() ? result.scale[i / k * blocks + i % k / kFp8Block] : 1.0f;
    result.numbers[i] = round_number(x[i] / divisor, rounding.format);
  }
  return result;
}

/// x transposed, or only its rows `ids` (of what is transposed).
inline Tensor<float> arrange(const Tensor<float>& x, bool transpose,
                             std::span<const i32> ids = {}) {
  const bool all = ids.data() == nullptr;
  const i64 taken = all ? x.dim(0) : std::ssize(ids), cols = x.dim(1);
  Tensor<float> result(transpose ? std::vector<i64>{cols, taken} : std::vector<i64>{taken, cols});
  for (i64 i = 0; i < taken; ++i) {
    const i64 row = all ? i : ids[static_cast<size_t>(i)];
    for (i64 c = 0; c < cols; ++c) {
      result[transpose ? c * taken + i : i * cols + c] = x[row * cols + c];
    }
  }
  return result;
}

/// The product of the rounded operands in double.
inline Tensor<double> product(const RoundedOperand& a, const RoundedOperand& b) {
  const auto x = a.values(), y = b.values();
  Tensor<double> c({x.dim(0), y.dim(0)});
  kernels::ref::gemm<double>(x.v<2>(), y.v<2>(), false, c.v<2>());
  return c;
}

/// DeepGEMM's distance: 1 - 2<x, y> / (<x, x> + <y, y>).
template <typename T, typename U>
double distance(const Tensor<T>& x, const Tensor<U>& y) {
  double xy = 0, squares = 0;
  for (i64 i = 0; i < x.size(); ++i) {
    const double a = static_cast<double>(x[i]), b = static_cast<double>(y[i]);
    xy += a * b;
    squares += a * a + b * b;
  }
  return squares > 0 ? 1 - 2 * xy / squares : 0;
}

}  // namespace fathom::ops
