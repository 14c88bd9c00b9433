#pragma once
// Rows of weights packed as integers, decoded to f32: exact, a code times a BF16 scale has 16 bits.
#include "kernels/api/packed.h"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

inline float bf16_to_f32(uint16_t bits) {
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  float value;
  __builtin_memcpy(&value, &word, sizeof value);
  return value;
}

/// One row of [*, cols].
struct PackedRow {
  const uint8_t* codes;
  const uint16_t* scale;
  int64_t group;
};

template <int kBits>
inline PackedRow packed_row(const void* w, const GroupScales& scales, int64_t cols, int64_t row) {
  return {static_cast<const uint8_t*>(w) + row * packed_weight_stride(kBits, cols),
          scales.data + row * scales.stride, scales.group};
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
  constexpr float kOffset = 1 << (kBits - 1);
  return (codes - Vec::set1(kOffset)) * Vec::set1(bf16_to_f32(row.scale[col / row.group]));
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
