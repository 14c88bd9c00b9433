#pragma once
// Weights packed as integers for tests, with the exact values they stand for.
#include <string>

#include "backend/backend.h"
#include "base/checked_math.h"
#include "kernels/ref/integer_linear.h"
#include "ops/quantize/quantize_groups.h"
#include "testing/tensor.h"

namespace fathom::testing {

struct PackedFormat {
  int bits;
  i64 group;
};
inline constexpr PackedFormat kPackedFormats[] = {{4, 32}, {4, 128}, {8, 32}, {8, 128}};

inline std::string name_of(const PackedFormat& f) {
  return "INT" + std::to_string(f.bits) + " in groups of " + std::to_string(f.group);
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
  }

  MatRef ref() const {
    return ops::packed_matrix(packed_.cv<2>(), scale_.cv<2>(), cols_, format_.bits, format_.group);
  }
  Tensor<double> exact() const {
    Tensor<double> result({packed_.dim(0), cols_});
    kernels::ref::decode_integers<double>(packed_.cv<2>(), scale_.cv<2>(), format_.bits,
                                          format_.group, result.v<2>());
    return result;
  }
  Tensor<u32>& packed() { return packed_; }
  Tensor<Bf16>& scale() { return scale_; }

 private:
  PackedFormat format_;
  i64 cols_;
  Tensor<u32> packed_;
  Tensor<Bf16> scale_;
};

}  // namespace fathom::testing
