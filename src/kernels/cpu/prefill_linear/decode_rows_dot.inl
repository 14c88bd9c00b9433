#pragma once
// Whole rows of weights decoded for prefill_linear_dot.inl.
#include "kernels/cpu/isa/dot_bf16.h"
#include "kernels/cpu/prefill_linear/panels.inl"
#include "kernels/cpu/quantize/group_scales.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Of the groups of decoded rows of packed integers, [rows][stride]. The scratch of a block has room
/// for them, because its codes take half of what BF16 numbers take.
struct DecodedGroups {
  int64_t stride;
  int32_t* starts;  // -128 * the sum of a group's codes: the offset of activations
  float* scales;
  float* minima;

  DecodedGroups() = default;
  DecodedGroups(uint8_t* scratch, int64_t groups)
      : stride(groups),
        starts(reinterpret_cast<int32_t*>(scratch)),
        scales(reinterpret_cast<float*>(starts + kPanelRowBlock * groups)),
        minima(scales + kPanelRowBlock * groups) {}

  DecodedGroups from(int64_t row) const {
    DecodedGroups part = *this;
    part.starts += row * stride;
    part.scales += row * stride;
    part.minima += row * stride;
    return part;
  }
  /// Of a row that is not there.
  void clear_row() const {
    for (int64_t g = 0; g < stride; ++g) {
      starts[g] = 0;
      scales[g] = minima[g] = 0.0f;
    }
  }
};

/// Scales and minima of a row whose decoded codes count from `middle`, 2^(bits-1).
inline void decode_scales(const GroupScales& from, int64_t row, float middle,
                          const DecodedGroups& out) {
  const GroupScales scales = scales_from(from, row);
  for (int64_t g = 0; g < out.stride; ++g) {
    out.scales[g] = scale_to_f32(scales.type, scales.data[g]);
    if (scales.minima != nullptr) out.minima[g] = minimum_at_middle(scales, g, middle);
  }
}

/// A row of weights as BF16, padded with zeros; of E4M3, kE4m3Bf16Scale times their values.
template <typename Stored>
void decode_to_bf16(const Stored* w, int64_t in, int64_t k_padded, uint16_t* out) {
  int64_t i = 0;
  for (; i + DotBf16::kStep <= in; i += DotBf16::kStep)
    DotBf16::store(DotBf16::load_scaled(w + i), out + i);
  for (; i < k_padded; i += DotBf16::kStep) {
    Stored tail[DotBf16::kStep] = {};
    for (int64_t j = 0; j < min(DotBf16::kStep, in - i); ++j) tail[j] = w[i + j];
    DotBf16::store(DotBf16::load_scaled(tail), out + i);
  }
}

/// A row of packed codes as signed bytes, padded with zeros, and for each group -128 times their
/// sum, which takes back the offset of activations.
template <int kBits>
void decode_to_int8(const uint8_t* w, int64_t in, int64_t k_padded, int64_t group, uint8_t* out,
                    int32_t* starts) {
  const __m512i offset = _mm512_set1_epi8(static_cast<char>(1 << (kBits - 1)));
  const int64_t bytes = (in * kBits + 7) / 8;
  for (int64_t i = 0; i < k_padded; i += 64) {
    const int64_t from = i * kBits / 8, left = min(in - i, 64);
    const uint64_t mask = left <= 0 ? 0 : left == 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
    __m512i codes;
    if constexpr (kBits == 8) {
      codes = _mm512_maskz_loadu_epi8(mask, w + from);
    } else {
      const int64_t there = min(bytes - from, 32);
      const __mmask32 byte_mask = there <= 0    ? 0
                                  : there == 32 ? ~__mmask32{0}
                                                : (__mmask32{1} << there) - 1;
      const __m512i pairs = _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(byte_mask, w + from));
      codes = _mm512_and_si512(_mm512_or_si512(pairs, _mm512_slli_epi16(pairs, 4)),
                               _mm512_set1_epi8(15));
    }
    _mm512_storeu_si512(out + i, _mm512_maskz_sub_epi8(mask, codes, offset));
  }
  for (int64_t g = 0; g * group < in; ++g) {
    __m256i sum = _mm256_setzero_si256();
    for (int64_t i = g * group; i < (g + 1) * group; i += 32) {
      const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(out + i));
      sum = _mm256_dpbusd_epi32(sum, _mm256_set1_epi8(1), codes);
    }
    const __m128i four =
        _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    const __m128i one = _mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1));
    starts[g] = -128 * _mm_cvtsi128_si32(one);
  }
}

/// A row of weights as bytes or BF16, padded with zeros. groups: from this row on.
void decode_panel_row(const PanelLinearArgs& a, int64_t row, uint8_t* out,
                      const DecodedGroups& groups) {
  const uint8_t* w = static_cast<const uint8_t*>(a.w) + row * stored_row_bytes(a.w_type, a.in);
  switch (a.w_type) {
    case WeightType::kF32:
      return;
    case WeightType::kBf16:
      return decode_to_bf16(reinterpret_cast<const uint16_t*>(w), a.in, a.k_padded,
                            reinterpret_cast<uint16_t*>(out));
    case WeightType::kFp8E4m3:
      return decode_to_bf16(w, a.in, a.k_padded, reinterpret_cast<uint16_t*>(out));
    case WeightType::kInt8:
      decode_scales(a.w_groups, row, 128.0f, groups);
      return decode_to_int8<8>(w, a.in, a.k_padded, a.w_groups.group, out, groups.starts);
    case WeightType::kInt4:
      decode_scales(a.w_groups, row, 8.0f, groups);
      return decode_to_int8<4>(w, a.in, a.k_padded, a.w_groups.group, out, groups.starts);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
