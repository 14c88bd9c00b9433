#pragma once
// Matrices saved in few bytes: rows to and from f32.
#include "kernels/api/gemm.h"
#include "kernels/cpu/quantize/rounding.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

inline void save_tile(const SavedRows& s, const float* x, int64_t n, uint8_t* out, float* scale) {
  const bool is_e4m3 = s.type == SavedType::kE4m3Tiles;
  const float amax = reduce_max(fold_amax(x, n, Vec::zero()));
  *scale = is_e4m3 ? scale_of(amax, kE4m3Max, false) : scale_of(amax, kE5m6Max, true);
  const Vec divisor = Vec::set1(*scale);
  for (int64_t i = 0; i < n; i += Vec::kLanes) {
    const Vec v = load_n(x + i, n - i) / divisor;
    if (is_e4m3) {
      store_e4m3(round_to_e4m3(v), out + i, n - i);
    } else {
      store_e5m6(round_to_e5m6(v), out + i * 3 / 2, n - i);
    }
  }
}

/// Columns [col, col + n) of a row, col a multiple of 128, to f32.
inline void load_saved(const SavedRows& s, int64_t row, int64_t col, int64_t n, float* out) {
  const uint8_t* p = s.data + row * s.row_bytes;
  switch (s.type) {
    case SavedType::kF32:
      __builtin_memcpy(out, p + col * 4, static_cast<Size>(n) * 4);
      return;
    case SavedType::kBf16: {
      const uint16_t* stored = reinterpret_cast<const uint16_t*>(p) + col;
      for (int64_t i = 0; i < n; i += Vec::kLanes) {
        store_n(load_stored_n(stored + i, n - i), out + i, n - i);
      }
      return;
    }
    case SavedType::kE4m3Tiles:
    case SavedType::kE5m6Tiles:
      break;
  }
  for (int64_t begin = col; begin < col + n; begin += kScaleBlock) {
    const Vec scale = Vec::set1(s.scale[row * s.scale_stride + begin / kScaleBlock]);
    const int64_t end = min(begin + kScaleBlock, col + n);
    for (int64_t i = begin; i < end; i += Vec::kLanes) {
      const Vec v = s.type == SavedType::kE4m3Tiles ? load_stored_n(p + i, end - i)
                                                    : load_e5m6(p + i * 3 / 2, end - i);
      store_n(v * scale, out + i - col, end - i);
    }
  }
}

void save_rows(const SaveArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.x_stride;
    uint8_t* out = a.saved.data + row * a.saved.row_bytes;
    if (a.saved.type == SavedType::kF32) {
      __builtin_memcpy(out, x, static_cast<Size>(a.cols) * 4);
      continue;
    }
    if (a.saved.type == SavedType::kBf16) {
      uint16_t* stored = reinterpret_cast<uint16_t*>(out);
      for (int64_t i = 0; i < a.cols; i += Vec::kLanes) {
        store_n(load_n(x + i, a.cols - i), stored + i, a.cols - i);
      }
      continue;
    }
    for (int64_t i = 0; i < a.cols; i += kScaleBlock) {
      const int64_t offset = a.saved.type == SavedType::kE4m3Tiles ? i : i * 3 / 2;
      save_tile(a.saved, x + i, min(kScaleBlock, a.cols - i), out + offset,
                a.saved.scale + row * a.saved.scale_stride + i / kScaleBlock);
    }
  }
}

void load_rows(const SaveArgs& a, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    load_saved(a.saved, a.ids != nullptr ? a.ids[i] : i, 0, a.cols, a.x + i * a.x_stride);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
