#pragma once
// What a unit of packing reads: 128 x 128 numbers of a saved matrix as f32, and their scales.
#include "kernels/api/gemm.h"
#include "kernels/cpu/gemm/saved_rows.inl"
#include "kernels/cpu/isa/vec_functions.inl"
#include "kernels/cpu/quantize/rounding.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// The source of one unit: real rows and columns of x, as f32.
struct UnitSource {
  const float* rows[kScaleBlock];
  int64_t count;
  int64_t cols;
};

/// What a unit covers: packed rows [row, row + rows), K from k on: k_real numbers, zeros to
/// k_count.
struct Unit {
  int64_t row, rows;
  int64_t k, k_real, k_count;
};

inline Unit unit_at(const PackArgs& a, int64_t index) {
  const int64_t blocks = (a.k_padded + kScaleBlock - 1) / kScaleBlock;
  Unit u;
  u.row = index / blocks * kScaleBlock;
  u.rows = min(kScaleBlock, a.rows - u.row);
  u.k = index % blocks * kScaleBlock;
  u.k_count = min(kScaleBlock, a.k_padded - u.k);
  u.k_real = min(u.k_count, a.k - u.k);
  return u;
}

/// Points into x where that is f32, else into `decoded` [128, 128].
inline UnitSource unit_source(const PackArgs& a, const Unit& u, float* decoded) {
  UnitSource s;
  const int64_t first = a.transpose ? u.k : u.row, col = a.transpose ? u.row : u.k;
  s.count = a.transpose ? u.k_real : u.rows;
  s.cols = a.transpose ? u.rows : u.k_real;
  for (int64_t i = 0; i < s.count; ++i) {
    const int64_t row = a.ids != nullptr ? a.ids[first + i] : first + i;
    if (a.x.type == SavedType::kF32) {
      s.rows[i] = reinterpret_cast<const float*>(a.x.data + row * a.x.row_bytes) + col;
    } else {
      s.rows[i] = decoded + i * kScaleBlock;
      load_saved(a.x, row, col, s.cols, decoded + i * kScaleBlock);
    }
  }
  return s;
}

/// Packing waits for memory, and rows are too short for the hardware to foresee the next ones: 512
/// bytes of a row that is needed soon.
inline void prefetch_row(const UnitSource& s, int64_t row) {
  if (row >= s.count) return;
  const char* p = reinterpret_cast<const char*>(s.rows[row]);
  for (int64_t b = 0; b < s.cols * 4; b += 64) __builtin_prefetch(p + b);
}
constexpr int64_t kRowsAhead = 16;
inline void prefetch_at(const UnitSource& s, int64_t row, int64_t k) {
  if (row < s.count) __builtin_prefetch(s.rows[row] + k);
}

/// amax [128]: the largest |x| of each packed row of a unit, 0 beyond the real ones.
inline void unit_amax(const PackArgs& a, const UnitSource& s, float* amax) {
  for (int64_t i = 0; i < kScaleBlock; ++i) amax[i] = 0.0f;
  for (int64_t row = 0; row < s.count; ++row) {
    prefetch_row(s, row + kRowsAhead);
    if (!a.transpose) {
      amax[row] = reduce_max(fold_amax(s.rows[row], s.cols, Vec::zero()));
      continue;
    }
    for (int64_t i = 0; i < s.cols; i += Vec::kLanes) {
      max(abs(load_n(s.rows[row] + i, s.cols - i)), Vec::load(amax + i)).store(amax + i);
    }
  }
}

/// scale [128]: of each packed row of a unit.
inline void unit_scales(const PackArgs& a, const Unit& u, const UnitSource& s, float* scale) {
  if (a.row_scale != nullptr) {
    for (int64_t i = 0; i < kScaleBlock; ++i) scale[i] = a.row_scale[u.row + i];
    return;
  }
  unit_amax(a, s, scale);
  if (a.block_scales) {
    Vec largest = Vec::zero();
    for (int64_t i = 0; i < kScaleBlock; i += Vec::kLanes) {
      largest = max(Vec::load(scale + i), largest);
    }
    const float block = reduce_max(largest);
    for (int64_t i = 0; i < kScaleBlock; ++i) scale[i] = block;
  }
  const float format_max = a.format == PackFormat::kE5m2 ? kE5m2Max : kE4m3Max;
  for (int64_t i = 0; i < kScaleBlock; i += Vec::kLanes) {
    scales_of(Vec::load(scale + i), format_max, a.power_of_2).store(scale + i);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
