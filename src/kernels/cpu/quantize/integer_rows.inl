#pragma once
// Rows of weights packed as integers, decoded to f32: exact without minima, a code times a scale
// has 19 bits or fewer; with them product and sum are rounded one by one, as ggml does it.
#include "kernels/api/packed.h"
#include "kernels/cpu/quantize/group_scales.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// One row of [*, cols].
struct PackedRow {
  const uint8_t* codes;
  GroupScales scales;  // from this row on
};

template <int kBits>
inline PackedRow packed_row(const void* w, const GroupScales& scales, int64_t cols, int64_t row) {
  return {static_cast<const uint8_t*>(w) + row * packed_weight_stride(kBits, cols),
          scales_from(scales, row)};
}

/// Columns [col, col + kLanes), of which `n` are there; col a multiple of kLanes, so that one scale
/// (of at least 32 columns) serves them all.
template <int kBits>
inline Vec load_packed_n(const PackedRow& row, int64_t col, int64_t n) {
  constexpr int64_t kBytes = Vec::kLanes * kBits / 8;
  const uint8_t* p = row.codes + col * kBits / 8;
  uint8_t buffer[kBytes] = {};
  if (n < Vec::kLanes) {
    for (int64_t i = 0; i < (n * kBits + 7) / 8; ++i) buffer[i] = p[i];
    p = buffer;
  }
  const Vec codes = kBits == 4 ? Vec::load_nibbles(p) : Vec::load_bytes(p);
  const int64_t group = col / row.scales.group;
  const Vec scale = Vec::set1(scale_to_f32(row.scales.type, row.scales.data[group]));
  if (row.scales.minima != nullptr) {
    return codes * scale + Vec::set1(scale_to_f32(row.scales.type, row.scales.minima[group]));
  }
  constexpr float kOffset = 1 << (kBits - 1);
  return (codes - Vec::set1(kOffset)) * scale;
}

/// out[i] = column i; lanes beyond `cols` in the last vector are not written.
template <int kBits>
inline void decode_packed_row(const PackedRow& row, int64_t cols, float* out) {
  for (int64_t i = 0; i < cols; i += Vec::kLanes) {
    store_n(load_packed_n<kBits>(row, i, cols - i), out + i, cols - i);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
