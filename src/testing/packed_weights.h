#pragma once
// Weights packed as integers for tests, with the exact values they stand for.
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/checked_math.h"
#include "kernels/ref/integer_linear.h"
#include "ops/quantize/quantize_groups.h"
#include "testing/tensor.h"

namespace fathom::testing {

struct PackedFormat {
  int bits;
  i64 group;
  DType scales = DType::kBF16;  // kBF16 | kF16
  bool has_minima = false;
};
inline constexpr PackedFormat kPackedFormats[] = {{4, 32},
                                                  {4, 128},
                                                  {8, 32},
                                                  {8, 128},
                                                  {4, 32, DType::kF16},
                                                  {4, 128, DType::kF16},
                                                  {8, 32, DType::kF16},
                                                  {8, 128, DType::kF16},
                                                  {4, 32, DType::kF16, true},
                                                  {4, 32, DType::kBF16, true}};

inline std::string name_of(const PackedFormat& f) {
  return "INT" + std::to_string(f.bits) + " in groups of " + std::to_string(f.group) + ", scales " +
         std::string(dtype_name(f.scales)) + (f.has_minima ? ", minima" : "");
}

/// Towards zero; tests need no more.
inline u16 truncated_to_f16(float value) {
  const u32 word = std::bit_cast<u32>(value), mantissa = word & 0x7fffffu;
  const auto sign = static_cast<u32>((word >> 16) & 0x8000u);
  const int exponent = static_cast<int>((word >> 23) & 0xffu) - 112;
  u32 magnitude = 0;
  if (exponent >= 31) {
    magnitude = std::isnan(value) ? 0x7e00u : 0x7c00u;
  } else if (exponent > 0) {
    magnitude = static_cast<u32>(exponent) << 10 | mantissa >> 13;
  } else if (exponent > -11) {  // subnormal
    magnitude = (0x800000u | mantissa) >> (14 - exponent);
  }
  return static_cast<u16>(sign | magnitude);
}

/// w packed, and what the packed numbers mean by the definition, decoded here and not by a kernel.
class PackedWeights {
 public:
  PackedWeights(const Tensor<float>& w, PackedFormat format)
      : format_(format),
        cols_(w.dim(1)),
        packed_({w.dim(0), ceil_div(w.dim(1) * format.bits, i64{32})}),
        scale_({w.dim(0), ceil_div(w.dim(1), format.group)}) {
    Ctx ctx = backend::make_context();
    ops::quantize_groups(ctx, w.v<2>(), format.bits, format.group, packed_.v<2>(), scale_.v<2>());
    for (i64 i = 0; i < scale_.size(); ++i) {
      const auto scale = static_cast<float>(scale_[i]);
      scales_.push_back(stored(scale));
      // The lowest code stands for more than without minima, so that the sums of the activations'
      // codes count.
      minima_.push_back(stored(scale * static_cast<float>(i % 5 - 9)));
    }
  }

  MatRef ref() const {
    MatRef m =
        ops::packed_matrix(packed_.cv<2>(), scale_.cv<2>(), cols_, format_.bits, format_.group);
    m.group_dtype = format_.scales;
    m.group_scale = scales_.data();
    if (format_.has_minima) m.group_minimum = minima_.data();
    return m;
  }
  Tensor<double> exact() const {
    Tensor<double> result({packed_.dim(0), cols_});
    kernels::ref::decode_integers<double>(ref(), result.v<2>());
    return result;
  }
  Tensor<u32>& packed() { return packed_; }

 private:
  u16 stored(float value) const {
    return format_.scales == DType::kF16 ? truncated_to_f16(value) : Bf16(value).bits;
  }

  PackedFormat format_;
  i64 cols_;
  Tensor<u32> packed_;
  Tensor<Bf16> scale_;                // as the weights were quantised
  std::vector<u16> scales_, minima_;  // as they are stored
};

}  // namespace fathom::testing
