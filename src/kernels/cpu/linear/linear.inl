#pragma once
// y = x w^T, in passes over groups of weight rows and blocks of tokens; linear_tiles.inl
// multiplies.
//
// Invariant: y[t, o] is one accumulator that adds its K steps in rising order (with scales: one
// for each block of 128 and one for the total), whatever the tile, the token block and the thread.
// So the result for a token does not depend on the batch, and not on where the weights were
// decoded.
#include "kernels/api/linear.h"
#include "kernels/cpu/isa/dot_bf16.h"
#include "kernels/cpu/isa/vec_functions.inl"
#include "kernels/cpu/linear/linear_fp8.inl"
#include "kernels/cpu/linear/linear_table.h"
#include "kernels/cpu/linear/linear_tiles.inl"
#include "kernels/cpu/quantize/integer_rows.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Rows of weights that pass over a block of x at once.
constexpr int64_t kGroupRows = kLinearRowGrain;
/// Bytes of x that one pass over the weights keeps in the second-level cache, and bytes of a
/// decoded row that are multiplied before the next tile takes the same columns, so that tiles of
/// weights and of x stay in the first-level cache. Both are multiples of kScaleBlock elements.
constexpr int64_t kTokenBlockBytes = 1024 * 1024;
constexpr int64_t kColumnChunkBytes = 4096;

inline int64_t padded(int64_t in) { return (in + kScaleBlock - 1) / kScaleBlock * kScaleBlock; }

/// Elements from one decoded row to the next: a line more than the columns, because rows a power of
/// two apart would fall into the same few sets of the first-level cache.
inline int64_t decoded_stride(int64_t in, int64_t x_bytes) { return padded(in) + 64 / x_bytes; }

/// Tokens worked on in one pass over the weights.
inline int64_t token_block(int64_t in, int64_t x_bytes) {
  const int64_t fitting = kTokenBlockBytes / (padded(in) * x_bytes);
  return fitting < 24 ? 24 : (fitting > 240 ? 240 : fitting / 12 * 12);
}

/// Multiplies a group of decoded rows (`tile.w`) with a block of tokens, a chunk of columns after
/// the other, and fetches the `bytes` of the next group from `next` on. The sums of the tokens lie
/// behind the decoded rows.
template <class Dot, bool kScaled>
void multiply_decoded(TileArgs<Dot, typename Dot::X> tile, int64_t rows, int64_t tokens,
                      const void* next, int64_t bytes) {
  using X = typename Dot::X;
  constexpr int64_t kChunk = kColumnChunkBytes / static_cast<int64_t>(sizeof(X));
  const int64_t tiles = (tokens + 3) / 4 * ((tile.in + kChunk - 1) / kChunk);
  const char* from = static_cast<const char*>(next);
  Ahead ahead{from, from + bytes, bytes / 64 / (tiles > 0 ? tiles : 1) + 1};
  Vec* sums = reinterpret_cast<Vec*>(const_cast<X*>(tile.w) + kGroupRows * tile.w_stride);
  tile.begin = 0;
  do {
    tile.end = min(tile.in, tile.begin + kChunk);
    tile.sums = sums;
    linear_group_chunk<Dot, X, kScaled, false>(tile, rows, tokens, ahead);
    tile.begin = tile.end;
  } while (tile.begin < tile.in);
}

/// Decodes a group of rows into scratch and multiplies it with a block of tokens.
template <class Dot, typename Stored, bool kScaled>
void linear_group(const TileArgs<Dot, Stored>& a, int64_t rows, int64_t tokens, void* scratch) {
  using X = typename Dot::X;
  X* decoded = static_cast<X*>(scratch);
  const int64_t stride = decoded_stride(a.in, sizeof(X));
  for (int64_t r = 0; r < rows; ++r) {
    const Stored* w = a.w + r * a.w_stride;
    for (int64_t i = 0; i < a.in; i += Dot::kStep) {  // zeros up to the end of a step
      Dot::store(load_step<Dot>(w + i, a.in - i), decoded + r * stride + i);
    }
  }
  const TileArgs<Dot, X> tile{a.x,    a.x_stride, a.x_scale, a.x_scale_stride, decoded,
                              stride, a.w_scale,  a.y,       a.y_stride,       a.in,
                              0,      0,          nullptr};
  multiply_decoded<Dot, kScaled>(tile, rows, tokens, a.w + rows * a.w_stride,
                                 rows * a.w_stride * static_cast<int64_t>(sizeof(Stored)));
}

template <class Dot, typename Stored, bool kScaled>
void linear_rows_of(const LinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  using X = typename Dot::X;
  const int64_t block = token_block(a.in, sizeof(X));
  for (int64_t t0 = 0; t0 < a.tokens; t0 += block) {
    const int64_t tokens = min(block, a.tokens - t0);
    for (int64_t row = begin, rows; row < end; row += rows) {
      rows = min(kGroupRows, end - row);
      TileArgs<Dot, Stored> group{};
      group.x = static_cast<const X*>(a.x) + t0 * a.x_stride;
      group.x_stride = a.x_stride;
      group.w = static_cast<const Stored*>(a.w) + row * a.in;
      group.w_stride = a.in;
      group.y = a.y + t0 * a.y_stride + row;
      group.y_stride = a.y_stride;
      group.in = group.end = a.in;
      if constexpr (kScaled) {  // a group stays within one row of scale blocks
        rows = min(rows, kScaleBlock - (a.w_row_offset + row) % kScaleBlock);
        group.w_scale = a.w_scale + (a.w_row_offset + row) / kScaleBlock * a.w_scale_stride;
        group.x_scale = a.x_scale == nullptr ? nullptr : a.x_scale + t0 * a.x_scale_stride;
        group.x_scale_stride = a.x_scale_stride;
      }
      if (a.tokens > direct_tokens<Dot, Stored>()) {
        linear_group<Dot, Stored, kScaled>(group, rows, tokens, scratch);
      } else {
        Ahead nothing{};  // the tiles prefetch for themselves
        linear_group_chunk<Dot, Stored, kScaled, true>(group, rows, tokens, nothing);
      }
    }
  }
}

/// Packed integers, scales and all, become f32 before they are multiplied, whatever the number of
/// tokens: this is the exact form for every instruction set; the fast ones are
/// integer_linear_dot.inl and integer_linear_pairs.inl.
template <int kBits>
void linear_packed_rows(const LinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  float* decoded = static_cast<float*>(scratch);
  const int64_t stride = decoded_stride(a.in, sizeof(float));
  const int64_t block = token_block(a.in, sizeof(float));
  const int64_t row_bytes = packed_weight_stride(kBits, a.in);
  for (int64_t row = begin, rows; row < end; row += rows) {
    rows = min(kGroupRows, end - row);
    for (int64_t r = 0; r < rows; ++r) {
      const PackedRow packed = packed_row<kBits>(a.w, a.w_groups, a.in, row + r);
      decode_packed_row<kBits>(packed, a.in, decoded + r * stride);
    }
    const uint8_t* next = static_cast<const uint8_t*>(a.w) + (row + rows) * row_bytes;
    for (int64_t t = 0; t < a.tokens; t += block) {
      TileArgs<DotF32, float> tile{};
      tile.x = static_cast<const float*>(a.x) + t * a.x_stride;
      tile.x_stride = a.x_stride;
      tile.w = decoded;
      tile.w_stride = stride;
      tile.y = a.y + t * a.y_stride + row;
      tile.y_stride = a.y_stride;
      tile.in = a.in;
      multiply_decoded<DotF32, false>(tile, rows, min(block, a.tokens - t), next, rows * row_bytes);
    }
  }
}

template <class Dot, class Halves = E4m3Halves>
void linear_rows_with(const LinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  switch (a.w_type) {
    case WeightType::kF32:
      if constexpr (sizeof(typename Dot::X) == sizeof(float)) {
        linear_rows_of<Dot, float, false>(a, begin, end, scratch);
      }
      return;
    case WeightType::kBf16:
      return linear_rows_of<Dot, uint16_t, false>(a, begin, end, scratch);
    case WeightType::kFp8E4m3:
      if constexpr (Halves::kAvailable && sizeof(typename Dot::X) == sizeof(float)) {
        return linear_fp8_rows<Halves>(a, begin, end);
      } else {
        return linear_rows_of<Dot, uint8_t, true>(a, begin, end, scratch);
      }
    case WeightType::kInt8:
      return linear_packed_rows<8>(a, begin, end, scratch);
    case WeightType::kInt4:
      return linear_packed_rows<4>(a, begin, end, scratch);
  }
}

/// Bf16: DotBf16, which says whether this instruction set has it.
template <class Bf16>
void linear_rows(const LinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  if constexpr (Bf16::kAvailable) {
    if (a.x_is_bf16) return linear_rows_with<Bf16>(a, begin, end, scratch);
  }
  linear_rows_with<DotF32>(a, begin, end, scratch);
}

/// Weights that are multiplied as they lie leave it unused.
int64_t linear_scratch_bytes(const LinearArgs& a) {
  const bool packed = a.w_type == WeightType::kInt8 || a.w_type == WeightType::kInt4;
  if (a.tokens <= kDirectTileTokens && !packed) return 0;
  const int64_t x_bytes = a.x_is_bf16 ? 2 : 4;
  const int64_t tokens = min(a.tokens, token_block(a.in, x_bytes));
  return kGroupRows *
         (decoded_stride(a.in, x_bytes) * x_bytes + tokens * static_cast<int64_t>(sizeof(Vec)));
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
