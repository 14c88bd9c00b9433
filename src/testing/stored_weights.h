#pragma once
// Weights of every stored type for tests and benches, with the exact values they stand for.
#include <vector>

#include "backend/backend.h"
#include "base/checked_math.h"
#include "ops/quantize/quantize.h"
#include "testing/tensor.h"

namespace fathom::testing {

/// A matrix stored as F32, BF16 or F8_E4M3 with block scales.
class StoredWeights {
 public:
  StoredWeights(const Tensor<float>& w, DType dtype) : f32_(w), dtype_(dtype) {
    const i64 rows = w.dim(0), cols = w.dim(1);
    if (dtype == DType::kBF16) {
      for (i64 i = 0; i < w.size(); ++i) bf16_.push_back(Bf16(w[i]));
    }
    if (dtype != DType::kF8E4M3) return;
    fp8_.resize(static_cast<size_t>(w.size()));
    scale_ = Tensor<float>({ceil_div(rows, kFp8Block), ceil_div(cols, kFp8Block)});
    Ctx ctx = backend::make_context();
    ops::quantize_blocks(ctx, w.v<2>(), ops::ScaleFormat::kF32, {fp8_.data(), {rows, cols}},
                         scale_.v<2>());
  }

  MatRef ref() const {
    if (dtype_ == DType::kF32) return MatRef(f32_.v<2>());
    MatRef m;
    m.dtype = dtype_;
    m.rows = f32_.dim(0);
    m.cols = f32_.dim(1);
    m.data = bf16_.data();
    if (dtype_ == DType::kF8E4M3) {
      m.data = fp8_.data();
      m.scale = scale_.data();
      m.scale_stride = scale_.dim(1);
    }
    return m;
  }

  /// What the stored numbers mean.
  Tensor<double> exact() const {
    auto result = f32_.to<double>();
    const i64 cols = f32_.dim(1);
    for (i64 i = 0; i < result.size() && dtype_ != DType::kF32; ++i) {
      const size_t at = static_cast<size_t>(i);
      if (dtype_ == DType::kBF16) {
        result[i] = static_cast<double>(static_cast<float>(bf16_[at]));
      } else {
        const float scale = scale_[i / cols / kFp8Block * scale_.dim(1) + i % cols / kFp8Block];
        result[i] = static_cast<double>(static_cast<float>(fp8_[at])) * static_cast<double>(scale);
      }
    }
    return result;
  }

  std::vector<Fp8E4M3>& codes() { return fp8_; }
  std::vector<Bf16>& bf16() { return bf16_; }
  Tensor<float>& f32() { return f32_; }
  Tensor<float>& scale() { return scale_; }

 private:
  Tensor<float> f32_;
  std::vector<Bf16> bf16_;
  std::vector<Fp8E4M3> fp8_;
  Tensor<float> scale_;
  DType dtype_;
};

}  // namespace fathom::testing
