#pragma once
#include "kernels/api/quantize.h"
#include "kernels/cpu/quantize/integer_rows.inl"
#include "kernels/cpu/quantize/rounding.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// out = round_e4m3(x / scale): codes, or values in bf16 or f32.
inline void quantize_run(const float* x, int64_t n, float scale, uint8_t* out) {
  for (int64_t i = 0; i < n; i += Vec::kLanes) {
    store_e4m3(round_to_e4m3(load_n(x + i, n - i) / Vec::set1(scale)), out + i, n - i);
  }
}
template <typename Out>
inline void quantize_run(const float* x, int64_t n, float scale, Out* out) {
  for (int64_t i = 0; i < n; i += Vec::kLanes) {
    store_n(round_to_e4m3(load_n(x + i, n - i) / Vec::set1(scale)), out + i, n - i);
  }
}

template <typename Out>
void quantize_tile_row(const QuantizeTilesArgs& a, int64_t row) {
  const float* x = a.x + row * a.x_stride;
  Out* out = static_cast<Out*>(a.out) + row * a.out_stride;
  for (int64_t i = 0; i < a.cols; i += kScaleBlock) {
    const int64_t n = min(kScaleBlock, a.cols - i);
    const float scale =
        scale_of(reduce_max(fold_amax(x + i, n, Vec::zero())), kE4m3Max, a.power_of_2);
    a.scale[row * a.scale_stride + i / kScaleBlock] = scale;
    quantize_run(x + i, n, scale, out + i);
  }
}

void quantize_tile_rows(const QuantizeTilesArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    a.out_is_bf16 ? quantize_tile_row<uint16_t>(a, row) : quantize_tile_row<float>(a, row);
  }
}

template <typename Out>
void round_bf16_row(const RoundBf16Args& a, int64_t row) {
  const float* x = a.x + row * a.x_stride;
  Out* out = static_cast<Out*>(a.out) + row * a.out_stride;
  for (int64_t i = 0; i < a.cols; i += Vec::kLanes) {
    uint16_t rounded[Vec::kLanes];
    const int64_t n = min(Vec::kLanes, a.cols - i);
    load_n(x + i, n).store_bf16(rounded);
    if constexpr (sizeof(Out) == 2) {
      for (int64_t lane = 0; lane < n; ++lane) out[i + lane] = rounded[lane];
    } else {
      store_n(Vec::load_bf16(rounded), out + i, n);
    }
  }
}

void round_bf16_rows(const RoundBf16Args& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    a.out_is_bf16 ? round_bf16_row<uint16_t>(a, row) : round_bf16_row<float>(a, row);
  }
}

void quantize_block_rows(const QuantizeBlocksArgs& a, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    const int64_t first = block * kScaleBlock, last = min(a.rows, first + kScaleBlock);
    for (int64_t col = 0; col < a.cols; col += kScaleBlock) {
      const int64_t n = min(kScaleBlock, a.cols - col);
      Vec amax = Vec::zero();
      for (int64_t row = first; row < last; ++row) {
        amax = fold_amax(a.x + row * a.x_stride + col, n, amax);
      }
      const float scale = scale_of(reduce_max(amax), kE4m3Max, a.power_of_2);
      a.scale[block * a.scale_stride + col / kScaleBlock] = scale;
      for (int64_t row = first; row < last; ++row) {
        quantize_run(a.x + row * a.x_stride + col, n, scale, a.q + row * a.q_stride + col);
      }
    }
  }
}

/// out = stored * scale, or just stored.
template <typename Stored>
inline void decode_run(const Stored* p, int64_t n, float scale, float* out) {
  for (int64_t i = 0; i < n; i += Vec::kLanes) {
    store_n(load_stored_n(p + i, n - i) * Vec::set1(scale), out + i, n - i);
  }
}

template <typename Stored>
void decode_row(const DecodeRowsArgs& a, int64_t row, float* out) {
  const Stored* w = static_cast<const Stored*>(a.w) + row * a.cols;
  if (a.w_scale == nullptr) return decode_run(w, a.cols, 1.0f, out);
  const float* scale = a.w_scale + (a.w_row_offset + row) / kScaleBlock * a.w_scale_stride;
  for (int64_t i = 0; i < a.cols; i += kScaleBlock) {
    decode_run(w + i, min(kScaleBlock, a.cols - i), scale[i / kScaleBlock], out + i);
  }
}

void decode_rows(const DecodeRowsArgs& a, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t row = a.ids != nullptr ? a.ids[i] : i;
    float* out = a.out + i * a.out_stride;
    switch (a.w_type) {
      case WeightType::kF32:
        decode_row<float>(a, row, out);
        break;
      case WeightType::kBf16:
        decode_row<uint16_t>(a, row, out);
        break;
      case WeightType::kFp8E4m3:
        decode_row<uint8_t>(a, row, out);
        break;
      case WeightType::kInt8:
        decode_packed_row<8>(packed_row<8>(a.w, a.w_groups, a.cols, row), a.cols, out);
        break;
      case WeightType::kInt4:
        decode_packed_row<4>(packed_row<4>(a.w, a.w_groups, a.cols, row), a.cols, out);
        break;
    }
  }
}

// A cache row: [fp8_cols] codes, [ceil(fp8_cols/128)] f32 scales, the rest in bf16 or f32. The
// row's bytes need no alignment: they are copied, whole vectors by copies of a constant size, which
// cost nothing.

void cache_store_rows(const CacheRowsArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.row_stride;
    uint8_t* codes = a.cache + row * a.row_bytes;
    uint8_t* scales = codes + a.fp8_cols;
    for (int64_t i = 0; i < a.fp8_cols; i += kScaleBlock, scales += sizeof(float)) {
      const int64_t n = min(kScaleBlock, a.fp8_cols - i);
      const float scale = scale_of(reduce_max(fold_amax(x + i, n, Vec::zero())), kE4m3Max, false);
      __builtin_memcpy(scales, &scale, sizeof scale);
      quantize_run(x + i, n, scale, codes + i);
    }
    const int64_t rest = a.cols - a.fp8_cols;
    x += a.fp8_cols;
    if (a.f32) {
      __builtin_memcpy(scales, x, static_cast<Size>(rest) * sizeof(float));
      continue;
    }
    uint16_t rounded[Vec::kLanes];
    int64_t i = 0;
    for (; i + Vec::kLanes <= rest; i += Vec::kLanes) {
      Vec::load(x + i).store_bf16(rounded);
      __builtin_memcpy(scales + 2 * i, rounded, sizeof rounded);
    }
    if (i == rest) continue;
    load_n(x + i, rest - i).store_bf16(rounded);
    __builtin_memcpy(scales + 2 * i, rounded, static_cast<Size>(rest - i) * 2);
  }
}

void cache_load_rows(const CacheRowsArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    float* out = a.out + row * a.row_stride;
    const uint8_t* codes = a.cache + row * a.row_bytes;
    const uint8_t* scales = codes + a.fp8_cols;
    for (int64_t i = 0; i < a.fp8_cols; i += kScaleBlock, scales += sizeof(float)) {
      float scale;
      __builtin_memcpy(&scale, scales, sizeof scale);
      decode_run(codes + i, min(kScaleBlock, a.fp8_cols - i), scale, out + i);
    }
    const int64_t rest = a.cols - a.fp8_cols;
    out += a.fp8_cols;
    if (a.f32) {
      __builtin_memcpy(out, scales, static_cast<Size>(rest) * sizeof(float));
      continue;
    }
    uint16_t rounded[Vec::kLanes];
    int64_t i = 0;
    for (; i + Vec::kLanes <= rest; i += Vec::kLanes) {
      __builtin_memcpy(rounded, scales + 2 * i, sizeof rounded);
      Vec::load_bf16(rounded).store(out + i);
    }
    if (i == rest) continue;
    for (int64_t lane = 0; lane < Vec::kLanes; ++lane) rounded[lane] = 0;
    __builtin_memcpy(rounded, scales + 2 * i, static_cast<Size>(rest - i) * 2);
    store_n(Vec::load_bf16(rounded), out + i, rest - i);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
