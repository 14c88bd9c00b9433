#pragma once
// A saved matrix in the kernels' words.
#include "kernels/api/gemm.h"
#include "tensor/saved_matrix.h"

namespace fathom::backend::cpu {

inline kernels::SavedRows saved_rows(const SavedMatrix& m) {
  const auto type = [&] {
    switch (m.format) {
      case SavedFormat::kF32:
        return kernels::SavedType::kF32;
      case SavedFormat::kBf16:
        return kernels::SavedType::kBf16;
      case SavedFormat::kE4m3Tiles:
        return kernels::SavedType::kE4m3Tiles;
      case SavedFormat::kE5m6Tiles:
        return kernels::SavedType::kE5m6Tiles;
    }
    return kernels::SavedType::kF32;
  }();
  return {.data = m.data,
          .scale = m.scale,
          .row_bytes = m.row_bytes(),
          .scale_stride = SavedMatrix::scales_per_row(m.format, m.cols),
          .type = type};
}

}  // namespace fathom::backend::cpu
