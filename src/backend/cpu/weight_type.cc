#include "backend/cpu/weight_type.h"

namespace fathom::backend::cpu {

kernels::WeightType weight_type(const MatRef& w) {
  switch (w.dtype) {
    case DType::kF32:
      return kernels::WeightType::kF32;
    case DType::kBF16:
      return kernels::WeightType::kBf16;
    case DType::kF8E4M3:
      return kernels::WeightType::kFp8E4m3;
    case DType::kI32:
      return w.bits == 8 ? kernels::WeightType::kInt8 : kernels::WeightType::kInt4;
    default:
      FATHOM_CHECK(false, "weight ", w, " reached the CPU's kernels unchecked");
      return kernels::WeightType::kF32;
  }
}

kernels::GroupScales group_scales(const MatRef& w) {
  return {
      .data = w.group_scale,
      .minima = w.group_minimum,
      .type = w.group_dtype == DType::kF16 ? kernels::ScaleType::kF16 : kernels::ScaleType::kBf16,
      .stride = w.group_stride,
      .group = w.group_size};
}

}  // namespace fathom::backend::cpu
